"""The stage `floor`: what real images score against real ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import contents, random_images, write_dataset
from test_feature_extractor import SHAPE, features_params

from genlab.features import classifier
from genlab.numerics import gaussians
from genlab.stages import features, floor

PARAMS = features_params()
NAMES = ("frechet_distance", "class_histogram_distance")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), SHAPE)


@pytest.fixture(scope="module")
def extractor(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features") / "features"
    features.run(PARAMS, data, out)
    return out


@pytest.fixture(scope="module")
def folder(data: Path, extractor: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("floor") / "floor"
    floor.run(PARAMS, data, extractor, out)
    return out


def test_real_images_are_near_to_real_images(folder: Path, data: Path, extractor: Path) -> None:
    values = json.loads((folder / "metrics.json").read_text())
    assert {f"test/{kind}/{name}" for kind in ("floor", "floor_halves") for name in NAMES} <= set(
        values
    )
    loaded = classifier.load(extractor)
    test = loaded.extract(np.load(data / "test_images.npy")[:12]).features
    noise = loaded.extract(random_images(12, SHAPE, seed=9)).features
    to_noise = gaussians.frechet_distance_of_features(test, noise)
    assert 0 < values["test/floor/frechet_distance"] < 0.3 * to_noise
    assert 0 < values["test/floor_halves/frechet_distance"] < to_noise


def test_floor_says_how_it_was_measured(folder: Path) -> None:
    found = json.loads((folder / "scores.json").read_text())["metrics"]
    train, halves = (found[f"test/{kind}/frechet_distance"] for kind in ("floor", "floor_halves"))
    assert (train["protocol"]["num_real"], train["protocol"]["num_generated"]) == (12, 12)
    assert (halves["protocol"]["num_real"], halves["protocol"]["num_generated"]) == (6, 6)
    for metric in (train, halves):
        assert metric["interval"][0] < metric["value"] < metric["interval"][1]
        assert metric["method"] == "real images"


def test_equal_runs_give_equal_bytes(
    folder: Path, data: Path, extractor: Path, tmp_path: Path
) -> None:
    floor.run(PARAMS, data, extractor, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)


def test_held_out_classes_are_not_among_the_real_images(
    data: Path, extractor: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(data, folder)
    description = json.loads((folder / "dataset.json").read_text())
    description["held_out_classes"] = description["class_names"][1:]
    (folder / "dataset.json").write_text(json.dumps(description))
    floor.run(PARAMS, folder, extractor, tmp_path / "floor")
    found = json.loads((tmp_path / "floor" / "scores.json").read_text())["metrics"][
        "test/floor/frechet_distance"
    ]
    inliers = int(np.sum(np.load(folder / "test_labels.npy") == 0))
    assert found["protocol"]["num_real"] == min(12, inliers) < 12
