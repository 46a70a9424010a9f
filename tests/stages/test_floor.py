"""The stage `floor`: what real images score against real ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import contents, random_images, tiny_entry, tiny_params, write_dataset

from genlab.contract.score import Score, scores_from_json
from genlab.features import pinned
from genlab.numerics import gaussians
from genlab.settings.params import Params
from genlab.stages import floor

SHAPE, EXTRACTOR = (8, 8, 1), "digits-v1"
KINDS = ("floor", "floor_halves")


@pytest.fixture(scope="module")
def params() -> Params:
    base = tiny_params({"vae": tiny_entry("vae")})
    evaluation = base.evaluation.model_copy(update={"num_images": 12})
    return base.model_copy(update={"evaluation": evaluation})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), SHAPE)


def run(params: Params, data: Path, folder: Path) -> dict[str, Score]:
    if not (folder / "features").is_dir():
        (folder / "features").mkdir()
        pinned.copy(EXTRACTOR, folder / "features")
    floor.run(params, data, folder / "features", folder / "floor")
    return scores_from_json(json.loads((folder / "floor" / "scores.json").read_text())["metrics"])


def test_real_images_are_near_to_real_images(params: Params, data: Path, tmp_path: Path) -> None:
    scores = run(params, data, tmp_path)
    first = contents(tmp_path / "floor")
    extractor = pinned.load(EXTRACTOR)
    test = extractor.extract(np.load(data / "test_images.npy")[:12]).features
    noise = extractor.extract(random_images(12, SHAPE, seed=9)).features
    to_noise = gaussians.frechet_distance_of_features(test, noise)
    for kind, number in zip(KINDS, (12, 6), strict=True):
        score = scores[f"test/{kind}/frechet_distance"]
        assert 0 < score.value < to_noise
        assert score.interval[0] < score.value < score.interval[1]
        assert (score.method, score.protocol["num_real"]) == ("real images", number)
        assert score.protocol["num_generated"] == number
        assert f"test/{kind}/class_histogram_distance" in scores
    rank = scores["test/floor/nearest_train_rank"]  # of validation images, beside test ones
    assert (rank.method, rank.protocol["num_generated"]) == ("validation images", 12)
    assert 0.2 < rank.value < 0.8
    assert scores["test/floor/pixel_copied_share"].method == "validation images"
    assert "test/floor_halves/nearest_train_rank" not in scores
    values = json.loads((tmp_path / "floor" / "metrics.json").read_text())
    assert values == {name: score.value for name, score in scores.items()}
    run(params, data, tmp_path)
    assert contents(tmp_path / "floor") == first


def test_held_out_classes_are_not_among_the_real_images(
    params: Params, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(data, folder)
    description = json.loads((folder / "dataset.json").read_text())
    description["held_out_classes"] = description["class_names"][1:]
    (folder / "dataset.json").write_text(json.dumps(description))
    scores = run(params, folder, tmp_path)
    assert scores["test/floor/frechet_distance"].protocol["num_real"] == 10
