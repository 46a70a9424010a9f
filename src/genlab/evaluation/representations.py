"""Vectors to train and test a linear classifier on: latents, PCA of the same size, pixels."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA

from genlab.contract.evidence import LabelledVectors, Unavailable
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task, seen
from genlab.imaging.arrays import Split
from genlab.settings import seeds
from genlab.trained.model import TrainedModel

Vectors = Callable[[np.ndarray], np.ndarray]
"""From images as the model sees them, float32 NHWC, to (n, size)."""
GIVES = LabelledVectors


def score(task: Task, scores: Scores) -> None:
    """Scores the latents of labelled images, and beside them PCA of the same size and pixels."""
    seed = seeds.derive(task.seed, "representations")
    train = choose(task.train, task.settings.representations.num_train, seed)
    protocol = task.protocol(len(task.real.labels), num_train=len(train.labels))
    model, splits = task.model, (train, task.real)
    components = f"PCA, {model.latent_dim} components"
    for source, gather, method in (
        ("latent", lambda: latents(model, *splits), "encoder"),
        ("latent_pca", lambda: pca(model, *splits, seed), components),
        ("pixels", lambda: pixels(model, *splits), "pixels"),
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
    return _represent(model, model.encode, train, test)


def pca(model: TrainedModel, train: Split, test: Split, seed: int) -> LabelledVectors:
    """Returns as many principal components as the model has latents, fitted to the train images.

    Raises:
        Unavailable: There are not fewer components than images or pixels, or no classes.
    """
    fitted = fit_pca(model, train.images, seed)
    return _represent(model, lambda images: fitted.transform(rows(images)), train, test)


def pixels(model: TrainedModel, train: Split, test: Split) -> LabelledVectors:
    """Returns the pixels as the model sees them, float32 (n, height * width * channels).

    Raises:
        Unavailable: The images have no classes.
    """
    return _represent(model, rows, train, test)


def fit_pca(model: TrainedModel, images: np.ndarray, seed: int) -> PCA:
    """Returns PCA of uint8 images as the model sees them, of as many components as its latents.

    Raises:
        Unavailable: There are not fewer components than images or pixels.
    """
    vectors, components = rows(seen(model, images)), model.latent_dim
    if components is None:
        raise Unavailable(f"{model.kind} has no latent vector")
    if components >= min(vectors.shape):
        raise Unavailable(f"{components} components are no fewer than {min(vectors.shape)}")
    return PCA(components, random_state=seed).fit(vectors)


def rebuild(pca: PCA, images: np.ndarray) -> np.ndarray:
    """Returns images as PCA rebuilds them, float32 in [0, 1], the range that models have."""
    rebuilt = pca.inverse_transform(pca.transform(rows(images)))
    return np.clip(rebuilt, 0, 1).astype(np.float32).reshape(images.shape)


def rows(images: np.ndarray) -> np.ndarray:
    """Returns images (n, ...) as vectors (n, size)."""
    return images.reshape(len(images), -1)


def check_classes(*splits: Split) -> None:
    """Raises Unavailable where an image has no class."""
    if any((np.asarray(split.labels) < 0).any() for split in splits):
        raise Unavailable("the images have no classes")


def _represent(model: TrainedModel, vectors: Vectors, train: Split, test: Split) -> LabelledVectors:
    check_classes(train, test)
    first, second = (vectors(seen(model, split.images)) for split in (train, test))
    return LabelledVectors(first, train.labels, second, np.asarray(test.labels))
