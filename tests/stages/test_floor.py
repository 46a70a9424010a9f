"""The stage `floor`: what real images score against real ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import contents, random_images, tiny_entry, tiny_params, write_dataset

from genlab.contract.score import Score, scores_from_json
from genlab.features import judges, pinned
from genlab.numerics import gaussians
from genlab.settings.params import Params
from genlab.stages import floor

SHAPE, PANEL = (8, 8, 1), "digits-v2"
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
        pinned.copy(PANEL, folder / "features")
    floor.run(params, data, folder / "features" / "reporting", folder / "floor")
    return scores_from_json(json.loads((folder / "floor" / "scores.json").read_text())["metrics"])


def test_real_images_are_near_to_real_images(params: Params, data: Path, tmp_path: Path) -> None:
    scores = run(params, data, tmp_path)
    first = contents(tmp_path / "floor")
    test, noise = np.load(data / "test_images.npy")[:12], random_images(12, SHAPE, seed=9)
    to_noise = {}
    for name, extractor in pinned.load(PANEL).items():
        judge = judges.beside(name, extractor, test)
        distance = gaussians.frechet_distance_of_features
        to_noise[name] = distance(judge.real.features, judge.extract(noise).features)
    for kind, number in zip(KINDS, (12, 6), strict=True):
        score = scores[f"test/{kind}/frechet_distance"]
        assert score.judges.keys() == to_noise.keys()
        assert all(0 < value < to_noise[name] for name, value in score.judges.items())
        assert score.value == pytest.approx(np.mean([*score.judges.values()]))
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


def test_fewer_images_are_a_sample_of_a_split_that_is_sorted(
    params: Params, data: Path, tmp_path: Path
) -> None:
    """The first images would all be of one class, the train images are of two."""
    folder = tmp_path / "images"
    shutil.copytree(data, folder)
    order = np.argsort(np.load(data / "test_labels.npy"), kind="stable")
    for field in ("images", "labels"):
        path = folder / f"test_{field}.npy"
        np.save(path, np.load(path)[order])
    scores = run(params, folder, tmp_path)
    classes = (
        pinned.load(PANEL)["strided"].extract(np.load(folder / "test_images.npy")[:12]).classes
    )
    assert len(set(classes[:10])) == 1, "the judge tells the halves apart"
    distance = scores["test/floor/class_histogram_distance"]
    assert distance.value < 0.25  # of the first images: 0.33
    assert distance.protocol["real_images"] == "by class in equal shares, seed 0"
