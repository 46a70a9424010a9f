"""Evidence on what encoders know: vectors for classifiers, fine-tuning on few labels, strangeness of images."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import halves, random_images, tiny_model
from sklearn.linear_model import LogisticRegression

from genlab.evaluation import few_labels, outliers, representations
from genlab.imaging import binarisation
from genlab.imaging.arrays import Split, to_float
from genlab.measurement.evidence import Unavailable
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import FewLabelsSettings, Params
from genlab.trained.model import TrainedModel

SHAPE = (8, 8, 1)
TRAIN, TEST = (Split(*halves(count, SHAPE, seed)) for seed, count in ((0, 60), (1, 20)))
UNLABELLED = Split(TEST.images, np.full(20, -1))


def trained(kind: str, binarise: str = "none", **changes: Any) -> TrainedModel:
    model = tiny_model(kind, SHAPE, **({"network": "dense"} | changes))
    facts = {
        "kind": kind,
        "image_shape": list(SHAPE),
        "binarisation": binarise,
        "settings": {"latent_dim": 3},
    }
    return TrainedModel(model, facts, None)


# Representations


def test_chosen_images_are_drawn_without_replacement_in_their_order() -> None:
    numbered = Split(np.arange(50).reshape(-1, 1, 1, 1), np.arange(50))
    chosen = representations.choose(numbered, 20, seed=1)
    assert len(set(chosen.labels.tolist())) == 20
    assert (np.diff(chosen.labels) > 0).all()
    np.testing.assert_array_equal(chosen.images.ravel(), chosen.labels)
    assert representations.choose(numbered, 20, seed=1).labels.tolist() == chosen.labels.tolist()
    assert representations.choose(numbered, 20, seed=2).labels.tolist() != chosen.labels.tolist()
    assert representations.choose(numbered, 99, seed=1).labels.tolist() == list(range(50))


@pytest.mark.parametrize("binarise", ["none", "dynamic"])
def test_vectors_are_of_the_images_as_seen(binarise: str) -> None:
    model = trained("vae", binarise)
    seen = [to_float(binarisation.as_seen(split.images, binarise)) for split in (TRAIN, TEST)]
    latents, pixels = (
        build(model, TRAIN, TEST) for build in (representations.latents, representations.pixels)
    )
    np.testing.assert_allclose(latents.train, model.model.encode(seen[0]), atol=1e-6)
    np.testing.assert_allclose(latents.test, model.model.encode(seen[1]), atol=1e-6)
    np.testing.assert_array_equal(pixels.train, seen[0].reshape(60, 64))
    np.testing.assert_array_equal(pixels.test, seen[1].reshape(20, 64))
    for found in (latents, pixels):
        np.testing.assert_array_equal(found.train_labels, TRAIN.labels)
        np.testing.assert_array_equal(found.test_labels, TEST.labels)


def test_pca_is_fitted_to_train_alone() -> None:
    """Against numpy's singular vectors, up to the sign of each component."""
    found = representations.pca(trained("vae"), TRAIN, TEST, seed=0)
    rows, others = (
        to_float(split.images).reshape(len(split.images), -1) for split in (TRAIN, TEST)
    )
    directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:3]
    np.testing.assert_allclose(
        np.abs(found.train), np.abs((rows - rows.mean(axis=0)) @ directions.T), atol=1e-3
    )
    np.testing.assert_allclose(
        np.abs(found.test), np.abs((others - rows.mean(axis=0)) @ directions.T), atol=1e-3
    )
    score = (
        LogisticRegression()
        .fit(found.train, found.train_labels)
        .score(found.test, found.test_labels)
    )
    assert score == 1, "halves are easy"


def test_what_cannot_be_represented_is_said() -> None:
    for build in (representations.latents, representations.pixels):
        with pytest.raises(Unavailable, match=r"^the images have no classes$"):
            build(trained("vae"), TRAIN, UNLABELLED)
    with pytest.raises(Unavailable, match=r"^gan has no encoder$"):
        representations.latents(trained("gan"), TRAIN, TEST)
    few = Split(TRAIN.images[:3], TRAIN.labels[:3])
    with pytest.raises(Unavailable, match=r"^3 components are no fewer than 3$"):
        representations.pca(trained("vae"), few, TEST, seed=0)


# Few labels


def budget(**changes: Any) -> FewLabelsSettings:
    return FewLabelsSettings(
        **{"labels_per_class": 5, "steps": 40, "learning_rate": 0.01, "batch_size": 8} | changes
    )


def test_labelled_images_are_as_many_of_each_class() -> None:
    labels = np.repeat([0, 2, 3], [50, 4, 30])
    rows = few_labels.choose(labels, 6, seed=1)
    assert np.bincount(labels[rows]).tolist() == [6, 0, 4, 6], "of a small class all"
    assert len(set(rows.tolist())) == len(rows)
    assert few_labels.choose(labels, 6, seed=1).tolist() == rows.tolist()
    assert few_labels.choose(labels, 6, seed=2).tolist() != rows.tolist()


@pytest.mark.parametrize(
    ("kind", "network"), [("vae", "dense"), ("autoencoder", "dense"), ("vae", "convolutional")]
)
def test_classifiers_learn_and_are_exact(kind: str, network: str) -> None:
    model = trained(kind, network=network, widths=[16, 16])
    before = model.model.get_weights()
    found = few_labels.few_labels(model, TRAIN, TEST, budget(), seed=3)
    for predicted in (found.fine_tuned, found.from_scratch):
        assert (predicted.shape, predicted.dtype) == ((20,), np.int64)
        assert (predicted == TEST.labels).mean() >= 0.9
    np.testing.assert_array_equal(found.labels, TEST.labels)
    for old, new in zip(before, model.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    again = few_labels.few_labels(model, TRAIN, TEST, budget(), seed=3)
    np.testing.assert_array_equal(again.fine_tuned, found.fine_tuned)
    np.testing.assert_array_equal(again.from_scratch, found.from_scratch)


def test_networks_differ_in_the_hidden_layers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = []
    monkeypatch.setattr(few_labels, "_train", lambda network, *values: networks.append(network))
    model = trained("vae", widths=[7, 6])
    few_labels.few_labels(model, TRAIN, TEST, budget(), seed=3)
    tuned, scratch = (network.get_weights() for network in networks)
    assert [weight.shape for weight in tuned] == [(64, 7), (7,), (7, 6), (6,), (6, 2), (2,)]
    for found, expected in zip(tuned[:4], model.model.encoder.get_weights()[:4], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(scratch[0], tuned[0])
    np.testing.assert_array_equal(scratch[4], tuned[4])


def test_batches_take_every_labelled_image_once_per_epoch() -> None:
    rows = few_labels._batches(10, 4, 5, seed=0)
    assert rows.shape == (5, 4)
    for epoch in rows.ravel().reshape(2, 10):
        assert sorted(epoch.tolist()) == list(range(10))


def test_what_cannot_be_fine_tuned_is_said() -> None:
    with pytest.raises(Unavailable, match=r"^gan has no encoder$"):
        few_labels.few_labels(trained("gan"), TRAIN, TEST, budget(), seed=0)
    with pytest.raises(Unavailable, match=r"^the images have no classes$"):
        few_labels.few_labels(trained("vae"), UNLABELLED, UNLABELLED, budget(), seed=0)


# Outliers


class Halving:
    """Rebuilds every image at half its brightness."""

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        return images / 2


def test_strangeness_of_an_autoencoder_is_the_squared_error_of_each_image() -> None:
    model = TrainedModel(Halving(), {"kind": "halving", "image_shape": [1, 2, 1]}, None)
    pictures = np.array([[0, 0], [255, 0], [255, 51]], np.uint8).reshape(3, 1, 2, 1)
    found = outliers.outlier_scores(model, pictures[:1], pictures[1:], seed=0)
    np.testing.assert_allclose(found.inliers, [0])
    np.testing.assert_allclose(found.outliers, [0.25, 0.25 + 0.01], rtol=1e-5)
    assert outliers.method(model) == "squared reconstruction error"


def test_strangeness_of_a_vae_is_its_negative_bound() -> None:
    model, pictures = trained("vae", "dynamic"), random_images(5)
    losses, kls = model.model.elbo_terms(to_float(binarisation.fixed(pictures)), (4, 0))
    expected = np.asarray(losses) + np.asarray(kls).sum(axis=1)
    np.testing.assert_allclose(outliers.strangeness(model, pictures, seed=4), expected, rtol=1e-5)
    assert outliers.method(model) == "negative ELBO, 1 draw"


def test_gan_finds_nothing_strange() -> None:
    with pytest.raises(Unavailable, match=r"^gan has no encoder$"):
        outliers.strangeness(trained("gan"), random_images(2), seed=0)


def test_images_of_another_data_set_are_brought_to_shape(params: Params) -> None:
    digits = plugins.find("datasets", "digits", "tests").read(None, params.data, 5)["test"].images
    found = outliers.images_of("digits", "mnist", (8, 8, 1), params.data, 5)
    np.testing.assert_array_equal(found, digits)
    colour = outliers.images_of("digits", "mnist", (8, 8, 3), params.data, 5)
    for channel in range(3):
        np.testing.assert_array_equal(colour[..., channel], digits[..., 0])
    assert outliers.images_of("photo_patches", "mnist", (28, 28, 1), params.data, 5).shape[1:] == (
        28,
        28,
        1,
    )


def test_bringing_to_shape_by_hand() -> None:
    image = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    grey = outliers.bring_to(image, (2, 2, 1))[..., 0]
    expected = [[0.299 * 255, 0.587 * 255], [0.114 * 255, 255]]
    np.testing.assert_allclose(grey, expected, atol=1)
    np.testing.assert_array_equal(
        outliers.bring_to(np.full((3, 3, 1), 90, np.uint8), (5, 7, 1)), np.full((5, 7, 1), 90)
    )
    larger = outliers.bring_to(np.array([[[0], [100]]], np.uint8), (1, 4, 1))
    assert larger.ravel().tolist() == [
        0,
        25,
        75,
        100,
    ]  # pixel centres at 1/4 and 3/4 between the two


def test_outliers_that_are_none_are_said(params: Params) -> None:
    with pytest.raises(Unavailable, match=r"^no data set of outliers is named$"):
        outliers.images_of(None, "mnist", SHAPE, params.data, 0)
    with pytest.raises(Unavailable, match=r"^the outliers would be of the model's own data set$"):
        outliers.images_of("digits", "digits", SHAPE, params.data, 0)
    with pytest.raises(
        InputError,
        match=r"^params.yaml: evaluation.outliers.data must be one of .*nearest: 'digits'",
    ):
        outliers.images_of("digit", "mnist", SHAPE, params.data, 0)
    for name in ("mnist", "image_folder"):
        with pytest.raises(
            InputError, match=rf"must be a data set that needs no files .* Received: '{name}'. See "
        ):
            outliers.images_of(name, "digits", SHAPE, params.data, 0)
