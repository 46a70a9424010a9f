"""Evidence on what encoders know: vectors, fine-tuning on few labels, strangeness of images."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import halves, random_images, tiny_model
from scipy import stats
from sklearn.linear_model import LogisticRegression

from genlab.contract.evidence import Unavailable
from genlab.evaluation import few_labels, outliers, representations
from genlab.imaging import binarisation
from genlab.imaging.arrays import Split, to_float
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import FewLabelsSettings, Params
from genlab.trained.model import TrainedModel

SHAPE = (8, 8, 1)
TRAIN, TEST = (Split(*halves(count, SHAPE, seed)) for seed, count in ((0, 60), (1, 20)))
UNLABELLED = Split(TEST.images, np.full(20, -1))
BUDGET = FewLabelsSettings(
    labels_per_class=5, num_draws=2, steps=40, learning_rate=0.01, batch_size=8
)


def trained(kind: str, binarise: str = "none", **changes: Any) -> TrainedModel:
    model = tiny_model(kind, SHAPE, **({"network": "dense"} | changes))
    facts = {"name": kind, "kind": kind, "image_shape": list(SHAPE), "binarisation": binarise}
    return TrainedModel(model, facts, None)


# Representations


def test_chosen_images_are_drawn_without_replacement_in_their_order() -> None:
    numbered = Split(np.arange(50).reshape(-1, 1, 1, 1), np.arange(50))
    chosen, again, other = (representations.choose(numbered, 20, seed) for seed in (1, 1, 2))
    assert len(set(chosen.labels.tolist())) == 20
    assert (np.diff(chosen.labels) > 0).all()
    np.testing.assert_array_equal(chosen.images.ravel(), chosen.labels)
    assert chosen.labels.tolist() == again.labels.tolist() != other.labels.tolist()
    assert representations.choose(numbered, 99, seed=1).labels.tolist() == list(range(50))


@pytest.mark.parametrize("binarise", ["none", "dynamic"])
def test_vectors_are_of_the_images_as_seen(binarise: str) -> None:
    model = trained("vae", binarise)
    seen = [to_float(binarisation.as_seen(split.images, binarise)) for split in (TRAIN, TEST)]
    latents = representations.latents(model, TRAIN, TEST)
    pixels = representations.pixels(model, TRAIN, TEST)
    np.testing.assert_allclose(latents.train, model.model.encode(seen[0]), atol=1e-6)
    np.testing.assert_allclose(latents.test, model.model.encode(seen[1]), atol=1e-6)
    np.testing.assert_array_equal(pixels.train, seen[0].reshape(60, 64))
    np.testing.assert_array_equal(pixels.test, seen[1].reshape(20, 64))
    for vectors in (latents, pixels):
        np.testing.assert_array_equal(vectors.train_labels, TRAIN.labels)
        np.testing.assert_array_equal(vectors.test_labels, TEST.labels)


def test_pca_is_fitted_to_train_alone() -> None:
    """Against numpy's singular vectors, up to the sign of each component."""
    vectors = representations.pca(trained("vae"), TRAIN, TEST, seed=0)
    rows, others = (to_float(split.images).reshape(-1, 64) for split in (TRAIN, TEST))
    mean = rows.mean(axis=0)
    directions = np.linalg.svd(rows - mean, full_matrices=False)[2][:3]
    np.testing.assert_allclose(
        np.abs(vectors.train), np.abs((rows - mean) @ directions.T), atol=1e-3
    )
    np.testing.assert_allclose(
        np.abs(vectors.test), np.abs((others - mean) @ directions.T), atol=1e-3
    )
    probe = LogisticRegression().fit(vectors.train, vectors.train_labels)
    assert probe.score(vectors.test, vectors.test_labels) == 1, "halves are easy"


# Few labels


def test_labelled_images_are_as_many_of_each_class() -> None:
    labels = np.repeat([0, 2, 3], [50, 4, 30])
    rows, again, other = (few_labels.choose(labels, 6, seed).tolist() for seed in (1, 1, 2))
    assert np.bincount(labels[rows]).tolist() == [6, 0, 4, 6], "of a small class all"
    assert len(set(rows)) == len(rows)
    assert rows == again != other


@pytest.mark.parametrize(
    ("kind", "network"), [("vae", "dense"), ("autoencoder", "dense"), ("vae", "convolutional")]
)
def test_classifiers_learn_and_are_exact(kind: str, network: str) -> None:
    model = trained(kind, network=network, widths=[16, 16])
    before = model.model.get_weights()
    both = (few_labels.few_labels(model, TRAIN, TEST, BUDGET, draws) for draws in ([3, 4], [4]))
    (predicted, second), (again,) = both
    for name in ("fine_tuned", "from_scratch"):
        classes = getattr(predicted, name)
        assert (classes.shape, classes.dtype) == ((20,), np.int64)
        assert (classes == TEST.labels).mean() >= 0.9
        np.testing.assert_array_equal(getattr(second, name), getattr(again, name))
    np.testing.assert_array_equal(predicted.labels, TEST.labels)
    for old, new in zip(before, model.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_networks_differ_in_the_hidden_layers_alone_and_draws_in_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, labelled = [], []

    def compiled(network: Any, settings: FewLabelsSettings) -> few_labels.Fit:
        def fit(images: np.ndarray, labels: np.ndarray, seed: int) -> None:
            begun.append(network.get_weights())
            labelled.append((images.tolist(), seed))

        return fit

    monkeypatch.setattr(few_labels, "_compile", compiled)
    model = trained("vae", widths=[7, 6])
    few_labels.few_labels(model, TRAIN, TEST, BUDGET, [3, 4])
    tuned, scratch, tuned_again, scratch_again = begun
    assert [weight.shape for weight in tuned] == [(64, 7), (7,), (7, 6), (6,), (6, 2), (2,)]
    for weight, expected in zip(tuned[:4], model.model.encoder.get_weights()[:4], strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert not np.array_equal(scratch[0], tuned[0])
    np.testing.assert_array_equal(scratch[4], tuned[4])
    np.testing.assert_array_equal(tuned_again[0], tuned[0])
    assert not np.array_equal(scratch_again[0], scratch[0])
    assert labelled[0] == labelled[1] != labelled[2] == labelled[3]


def test_every_model_has_the_same_labelled_images() -> None:
    draws = few_labels.draw_seeds(BUDGET, seed=9)
    assert len(set(draws)) == BUDGET.num_draws == 2
    first, second = (few_labels.choose_labelled(TRAIN, BUDGET, draw) for draw in draws)
    assert first.tolist() != second.tolist()
    task: Any = SimpleNamespace(
        settings=SimpleNamespace(few_labels=BUDGET),
        model=trained("vae"),
        train=TRAIN,
        real=TEST,
        floats=to_float(TEST.images),
    )
    vectors = few_labels.labelled_vectors(task, representations.rows, draws)
    for chosen, one in zip((first, second), vectors, strict=True):
        np.testing.assert_array_equal(one.train, to_float(TRAIN.images[chosen]).reshape(10, 64))
        np.testing.assert_array_equal(one.train_labels, TRAIN.labels[chosen])
        np.testing.assert_array_equal(one.test, to_float(TEST.images).reshape(20, 64))


def test_batches_take_every_labelled_image_once_per_epoch() -> None:
    rows = few_labels._batches(10, 4, 5, seed=0)
    assert rows.shape == (5, 4)
    for epoch in rows.ravel().reshape(2, 10):
        assert sorted(epoch.tolist()) == list(range(10))


# Outliers


class Halving:
    """Rebuilds every image at half its brightness."""

    latent_dim = 1

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        return images / 2

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        return latents


def outlier_task(model: TrainedModel, **changes: Any) -> Any:
    settings = SimpleNamespace(representations=SimpleNamespace(num_train=60))
    return SimpleNamespace(model=model, seed=4, train=TRAIN, settings=settings, **changes)


def test_strangeness_by_error_is_the_squared_error_of_each_image() -> None:
    facts = {"name": "halving", "kind": "halving", "image_shape": [1, 2, 1]}
    model = TrainedModel(Halving(), facts, None)
    pictures = np.array([[0, 0], [255, 0], [255, 51]], np.uint8).reshape(3, 1, 2, 1)
    strange = outliers.by_error(outlier_task(model))(pictures)
    np.testing.assert_allclose(strange, [0, 0.25, 0.25 + 0.01], rtol=1e-5)


@pytest.mark.parametrize("binarise", ["none", "dynamic"])
def test_strangeness_by_the_bound_has_no_part_of_the_images_own(binarise: str) -> None:
    model, pictures = trained("vae", binarise), random_images(5)
    seen = to_float(binarisation.as_seen(pictures, binarise))
    losses, kls = model.model.elbo_terms(seen, (4, 0))
    own = stats.bernoulli(seen).entropy().sum(axis=(1, 2, 3))
    expected = np.asarray(losses) + np.asarray(kls).sum(axis=1) - own
    strange = outliers.by_bound(outlier_task(model))(pictures)
    np.testing.assert_allclose(strange, expected, rtol=1e-4)


def test_strangeness_by_pca_is_what_singular_vectors_leave() -> None:
    rows, others = (to_float(split.images).reshape(-1, 64) for split in (TRAIN, TEST))
    mean = rows.mean(axis=0)
    basis = np.linalg.svd(rows - mean, full_matrices=False)[2][:3]
    rebuilt = np.clip(mean + (others - mean) @ basis.T @ basis, 0, 1)
    strange = outliers.by_pca(outlier_task(trained("vae")))(TEST.images)
    np.testing.assert_allclose(strange, np.square(others - rebuilt).sum(axis=1), rtol=1e-3)


def test_strangeness_without_a_model_is_the_distance_from_what_is_usual() -> None:
    grey, task = stats.bernoulli(to_float(TRAIN.images)), outlier_task(trained("vae"))
    usual = np.median(grey.entropy().sum(axis=(1, 2, 3)))
    black, half = np.zeros((1, *SHAPE), np.uint8), np.full((1, *SHAPE), 128, np.uint8)
    strange = outliers.by_entropy(task)(np.concatenate([black, half]))
    np.testing.assert_allclose(strange, [usual, abs(64 * np.log(2) - usual)], rtol=1e-3)
    ink = np.median((TRAIN.images > 0).mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(outliers.by_ink(task)(np.concatenate([black, half])), [ink, 1 - ink])


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 6, 3)])
@pytest.mark.parametrize("name", ["turned", "permuted"])
def test_near_outliers_have_the_grey_values_of_the_images(name: str, shape: Any) -> None:
    """So no count of grey values tells them: the bars without a model are at chance."""
    pictures = random_images(30, shape)
    changed = outliers.DERIVED[name][1](pictures)
    assert (changed.shape, changed.dtype) == (pictures.shape, np.uint8)
    assert all((one != other).any() for one, other in zip(changed, pictures, strict=True))
    flat, other = (np.sort(images.reshape(30, -1), axis=1) for images in (pictures, changed))
    np.testing.assert_array_equal(flat, other)
    task: Any = SimpleNamespace(
        settings=SimpleNamespace(outliers=SimpleNamespace(data=name)), real=Split(pictures, None)
    )
    np.testing.assert_array_equal(outliers.of_another_kind(task)[1], changed)


def test_turned_and_permuted_by_hand() -> None:
    image = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)
    assert outliers.turned(image).ravel().tolist() == [2, 4, 1, 3]
    assert outliers.turned(image[:, :1]).ravel().tolist() == [2, 1]
    blocks = np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2), int)).astype(np.uint8)
    mixed = outliers.permuted(blocks.reshape(1, 8, 8, 1))[0, ..., 0]
    corners = mixed[::2, ::2]
    np.testing.assert_array_equal(mixed, np.kron(corners, np.ones((2, 2), int)))
    assert sorted(corners.ravel().tolist()) == list(range(16)) != corners.ravel().tolist()


def other_images(params: Params, name: str | None, own: str, shape: Any = SHAPE) -> np.ndarray:
    settings = SimpleNamespace(outliers=SimpleNamespace(data=name))
    task: Any = SimpleNamespace(
        settings=settings,
        description={"name": own},
        model=SimpleNamespace(image_shape=shape),
        params=params,
        seed=5,
    )
    return outliers.of_another_kind(task)[1]


def test_images_of_another_data_set_are_brought_to_shape(params: Params) -> None:
    dataset = plugins.find("datasets", "digits", "tests")
    digits = dataset.read(None, params.data, 5).test["images"]
    np.testing.assert_array_equal(other_images(params, "digits", "mnist"), digits)
    colour = other_images(params, "digits", "mnist", (8, 8, 3))
    np.testing.assert_array_equal(colour, np.repeat(digits, 3, axis=3))
    larger = other_images(params, "photo_patches", "mnist", (28, 28, 1))
    assert larger.shape[1:] == (28, 28, 1)


def test_bringing_to_shape_by_hand() -> None:
    image = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    expected = [[0.299 * 255, 0.587 * 255], [0.114 * 255, 255]]
    np.testing.assert_allclose(outliers.bring_to(image, (2, 2, 1))[..., 0], expected, atol=1)
    plain = outliers.bring_to(np.full((3, 3, 1), 90, np.uint8), (5, 7, 1))
    np.testing.assert_array_equal(plain, np.full((5, 7, 1), 90))
    larger = outliers.bring_to(np.array([[[0], [100]]], np.uint8), (1, 4, 1))
    assert larger.ravel().tolist() == [0, 25, 75, 100]  # pixel centres at 1/4 and 3/4


# What is not available


@pytest.mark.parametrize(
    ("gather", "reason"),
    [
        (
            lambda: representations.latents(trained("vae"), TRAIN, UNLABELLED),
            "the images have no classes",
        ),
        (
            lambda: representations.pixels(trained("vae"), TRAIN, UNLABELLED),
            "the images have no classes",
        ),
        (lambda: representations.latents(trained("gan"), TRAIN, TEST), "gan has no encoder"),
        (
            lambda: few_labels.few_labels(trained("gan"), TRAIN, TEST, BUDGET, [0]),
            "gan has no encoder",
        ),
        (
            lambda: few_labels.few_labels(trained("vae"), UNLABELLED, UNLABELLED, BUDGET, [0]),
            "the images have no classes",
        ),
        (
            lambda: outliers.by_bound(outlier_task(trained("autoencoder")))(random_images(2)),
            "autoencoder has no posterior",
        ),
    ],
)
def test_reasons(gather: Any, reason: str) -> None:
    with pytest.raises(Unavailable, match=f"^{reason}$"):
        gather()


def test_reasons_without_outliers(params: Params) -> None:
    with pytest.raises(Unavailable, match=r"^no images of another kind are named$"):
        other_images(params, None, "mnist")
    with pytest.raises(Unavailable, match=r"^the outliers would be of the model's own data set$"):
        other_images(params, "digits", "digits")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("digit", "nearest: 'digits'"),
        ("tuned", "nearest: 'turned'"),
        ("mnist", "must be a data set that needs no files"),
        ("image_folder", "must be a data set that needs no files"),
    ],
)
def test_unsuitable_data_sets_of_outliers_are_refused(params: Params, name: str, part: str) -> None:
    with pytest.raises(InputError) as error:
        other_images(params, name, "photo_patches")
    assert part in error.value.expected
    assert error.value.where == "See params.yaml: evaluation.outliers.data"
