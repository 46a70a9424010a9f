"""The classifier whose features Fréchet distances are measured on, and its stage."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from fixtures_models import contents, halves, random_images, tiny_entry, tiny_params, write_dataset

from genlab.features import classifier
from genlab.features.architectures import TRUNKS
from genlab.imaging.arrays import Split, to_float
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.settings.judges import FeatureRecipe, Features
from genlab.settings.params import Params
from genlab.stages import features as stage

SHAPE = (8, 8, 1)


RECIPE = {"feature_dim": 6, "learning_rate": 0.01, "batch_size": 16, "steps": 40}
JUDGES: dict[str, Any] = {
    "selection": {"convolutional": [4]},
    "reporting": {name: [4] for name in TRUNKS},
}


def features_params(**changes: Any) -> Params:
    params = tiny_params({"vae": tiny_entry("vae")})
    evaluation = params.evaluation.model_copy(update={"num_images": 12})
    features = Features(extractor="trained", **{"judges": JUDGES} | RECIPE | changes)
    return params.model_copy(update={"features": features, "evaluation": evaluation})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), SHAPE)


@pytest.fixture(scope="module")
def panel(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features") / "features"
    stage.run(features_params(), data, out)
    return out


@pytest.fixture(params=sorted(TRUNKS))
def folder(panel: Path, request: pytest.FixtureRequest) -> Path:
    """The folder of one judge."""
    return panel / "reporting" / request.param


def test_classes_are_learned_and_the_accuracy_is_recorded(folder: Path) -> None:
    extractor = classifier.load(folder)
    pictures, labels = halves(31, SHAPE, seed=77)
    extracted = extractor.extract(pictures)
    assert (extracted.features.shape, extracted.features.dtype) == ((31, 6), np.float32)
    np.testing.assert_array_equal(extracted.classes, labels)
    assert extractor.num_classes == 2
    facts = json.loads((folder / "settings.json").read_text())
    assert (facts["task"], facts["test_accuracy"], facts["num_classes"]) == ("classes", 1.0, 2)
    weights = (folder / "classifier.weights.h5").read_bytes()
    assert facts["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def test_features_are_those_before_the_logits(folder: Path) -> None:
    extractor = classifier.load(folder)
    pictures = random_images(5, SHAPE)
    kernel, bias = extractor._outputs.get_layer("logits").get_weights()
    logits = extractor._outputs(to_float(pictures))[1]
    features = extractor.extract(pictures).features
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-4)
    assert features.min() >= 0


def test_features_do_not_depend_on_the_precision_of_a_training(folder: Path) -> None:
    expected = classifier.load(folder).extract(random_images(5, SHAPE)).features
    with devices.new_layers_in("mixed_bfloat16"):
        features = classifier.load(folder).extract(random_images(5, SHAPE)).features
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    np.testing.assert_array_equal(features, expected)
    assert keras.config.dtype_policy().name == "float32"


def test_equal_runs_give_equal_bytes(panel: Path, data: Path, tmp_path: Path) -> None:
    """A judge does not depend on the others."""
    names = ("selection", "convolutional"), ("reporting", "dense")
    few = {role: {name: [4]} for role, name in names}
    stage.run(features_params(judges=few), data, tmp_path / "again")
    for role, name in names:
        assert contents(tmp_path / "again" / role / name) == contents(panel / role / name)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_batches_show_every_image_once_per_epoch() -> None:
    images, labels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1), np.arange(10)
    settings = FeatureRecipe(feature_dim=2, filters=(1,), learning_rate=0.1, batch_size=4, steps=5)
    batches = classifier._Batches(images, labels, settings, seed=0)
    pairs = [batches[index] for index in range(len(batches))]
    for pictures, numbers in pairs:
        np.testing.assert_array_equal(np.rint(pictures.ravel() * 255), numbers)
    first, second = np.split(np.concatenate([numbers for _, numbers in pairs]), 2)
    assert sorted(first) == sorted(second) == list(range(10))
    assert (first != second).any()


# Images without classes


def test_images_without_classes_are_told_by_their_cluster() -> None:
    pictures, labels = halves(60, SHAPE, seed=0)
    pictures[::3] //= 4  # every third one is dark: with the halves these are four kinds
    kinds = labels * 2 + (np.arange(60) % 3 == 0)
    split = Split(pictures, np.full(60, -1))
    one, again = (classifier.labelling(split, 0, seed=0) for _ in range(2))
    assert (one.name, one.num_labels) == ("20 clusters", 20)
    clusters = one.labels_of(split)
    np.testing.assert_array_equal(clusters, again.labels_of(split))
    for cluster in set(clusters):
        assert len(set(kinds[clusters == cluster])) == 1, "a cluster is of one kind"


def test_fewer_images_than_clusters() -> None:
    split = Split(random_images(3, (4, 5, 3)), np.full(3, -1))
    labels = classifier.labelling(split, 0, seed=0)
    assert labels.num_labels == 3
    assert sorted(labels.labels_of(split)) == [0, 1, 2]


def test_clusters_are_no_classes_of_the_images(tmp_path: Path) -> None:
    split = Split(halves(48, SHAPE, seed=0)[0], np.full(48, -1))
    recipe = features_params(steps=200).features.recipe("convolutional", (4,))
    classifier.train(recipe, split, split, 0, 0, tmp_path)
    extractor = classifier.load(tmp_path)
    assert (extractor.num_classes, extractor.settings["num_classes"]) == (0, 20)
    assert extractor.settings["test_accuracy"] > 0.15, "three times what a guess gets"


def test_missing_and_changed_extractors_are_refused(panel: Path, tmp_path: Path) -> None:
    folder = panel / "selection" / "convolutional"
    with pytest.raises(InputError) as caught:
        classifier.load(tmp_path)
    assert caught.value.received == "no settings.json there"
    for name, content in contents(folder).items():
        (tmp_path / name).write_bytes(content + b"more" if name.endswith("h5") else content)
    with pytest.raises(InputError, match="must have the SHA-256") as caught:
        classifier.load(tmp_path)
    assert caught.value.where == "Run: dvc repro --force features"
