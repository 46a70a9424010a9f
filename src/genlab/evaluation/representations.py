"""Vectors to train and test a linear classifier on: latents, PCA of the same size, pixels."""

from collections.abc import Callable

import numpy as np

from genlab.evaluation.scores import Scores
from genlab.evaluation.task import EvaluationTask, seen
from genlab.imaging.arrays import Split
from genlab.measurement.evidence import LabelledVectors, Unavailable
from genlab.settings import seeds
from genlab.trained.model import TrainedModel

Vectors = Callable[[np.ndarray], np.ndarray]
"""From uint8 images as in the split to (n, size)."""
GIVES = LabelledVectors


def score(task: EvaluationTask, scores: Scores) -> None:
    """Scores the latents of labelled images, and beside them PCA of the same size and pixels."""
    seed = seeds.derive(task.seed, "representations")
    train = choose(task.train, task.settings.representations.num_train, seed)
    protocol = task.protocol(len(task.real.labels), num_train=len(train.labels))
    model, parts = task.model, (train, task.real)
    components = f"PCA, {model.latent_dim} components"
    for source, gather, method in (
        ("latent", lambda: latents(model, *parts), "encoder"),
        ("latent_pca", lambda: pca(model, *parts, seed), components),
        ("pixels", lambda: pixels(model, *parts), "pixels"),
    ):
        scores.gather(source, LabelledVectors, gather, protocol, method)


def choose(train: Split, num_train: int, seed: int) -> Split:
    """Returns at most `num_train` images of a split, without replacement, in their order."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(train.labels))[:num_train])
    return Split(train.images[rows], train.labels[rows])


def latents(model: TrainedModel, train: Split, test: Split) -> LabelledVectors:
    """Returns the latents of uint8 images as in the split; of a posterior the means.

    Raises:
        Unavailable: The model has no encoder, or the images have no classes.
    """
    if not model.can("encode"):
        raise Unavailable(f"{model.kind} has no encoder")
    return _represent(lambda images: model.encode(seen(model, images)), train, test)


def pca(model: TrainedModel, train: Split, test: Split, seed: int) -> LabelledVectors:
    """Returns as many principal components as the model has latents, fitted to the train images.

    Raises:
        Unavailable: There are no fewer components than images or pixels, or none, or no classes.
    """
    from sklearn.decomposition import PCA

    if model.latent_dim is None:
        raise Unavailable(f"{model.kind} has no latent vector")
    rows = _rows(model, train.images)
    if model.latent_dim >= min(rows.shape):
        raise Unavailable(f"{model.latent_dim} components are no fewer than {min(rows.shape)}")
    fitted = PCA(model.latent_dim, random_state=seed).fit(rows)
    return _represent(lambda images: fitted.transform(_rows(model, images)), train, test)


def pixels(model: TrainedModel, train: Split, test: Split) -> LabelledVectors:
    """Returns the pixels as the model sees them, float32 (n, height * width * channels).

    Raises:
        Unavailable: The images have no classes.
    """
    return _represent(lambda images: _rows(model, images), train, test)


def _rows(model: TrainedModel, images: np.ndarray) -> np.ndarray:
    return seen(model, images).reshape(len(images), -1)


def _represent(vectors: Vectors, train: Split, test: Split) -> LabelledVectors:
    check_classes(train, test)
    return LabelledVectors(
        vectors(train.images), train.labels, vectors(test.images), np.asarray(test.labels)
    )


def check_classes(*splits: Split) -> None:
    """Raises Unavailable where an image has no class."""
    if any((np.asarray(split.labels) < 0).any() for split in splits):
        raise Unavailable("the images have no classes")
