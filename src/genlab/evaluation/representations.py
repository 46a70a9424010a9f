"""Vectors that a linear classifier is trained and tested on: a model's latents, PCA of the same size, pixels."""

from collections.abc import Callable

import numpy as np

from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import Split, to_float
from genlab.measurement.evidence import Representations, Unavailable
from genlab.settings import seeds
from genlab.trained.model import TrainedModel

Vectors = Callable[[np.ndarray], np.ndarray]
GIVES = Representations


def score(task: Task, scores: Scores) -> None:
    """Scores the latents of labelled images, and beside them PCA of the same size and the pixels."""
    seed = seeds.derive(task.seed, "representations")
    train = choose(task.train, task.settings.representations.num_train, seed)
    protocol = task.protocol(len(task.real.labels), num_train=len(train.labels))
    for source, gather, method in (
        ("latent", lambda: latents(task.model, train, task.real), "encoder"),
        (
            "latent_pca",
            lambda: pca(task.model, train, task.real, seed),
            f"PCA, {(task.model.latent_dim or 0)} components",
        ),
        ("pixels", lambda: pixels(task.model, train, task.real), "pixels"),
    ):
        scores.gather(source, Representations, gather, protocol, method)


def choose(train: Split, num_train: int, seed: int) -> Split:
    """Returns at most `num_train` images of a split, drawn without replacement, in their order."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(train.labels))[:num_train])
    return Split(train.images[rows], train.labels[rows])


def latents(model: TrainedModel, train: Split, test: Split) -> Representations:
    """Returns the latents (n, latent_dim) of uint8 images as they lie in the split; of a VAE the posterior means.

    Raises:
        Unavailable: The model has no encoder, or the images have no classes.
    """
    if not model.can("encode"):
        raise Unavailable(f"{model.settings['kind']} has no encoder")
    return _represent(lambda images: model.encode(to_float(model.as_seen(images))), train, test)


def pca(model: TrainedModel, train: Split, test: Split, seed: int) -> Representations:
    """Returns as many principal components as the model has latents, fitted to the train images as the model sees them.

    Raises:
        Unavailable: There are no fewer components than images or pixels, or the images have no classes.
    """
    from sklearn.decomposition import PCA

    rows = _pixels(model, train.images)
    if model.latent_dim >= min(rows.shape):
        raise Unavailable(f"{model.latent_dim} components are no fewer than {min(rows.shape)}")
    fitted = PCA(model.latent_dim, random_state=seed).fit(rows)
    return _represent(lambda images: fitted.transform(_pixels(model, images)), train, test)


def pixels(model: TrainedModel, train: Split, test: Split) -> Representations:
    """Returns the pixels themselves, float32 (n, height * width * channels) in [0, 1], as the model sees them.

    Raises:
        Unavailable: The images have no classes.
    """
    return _represent(lambda images: _pixels(model, images), train, test)


def _pixels(model: TrainedModel, images: np.ndarray) -> np.ndarray:
    return to_float(model.as_seen(np.asarray(images))).reshape(len(images), -1)


def _represent(vectors: Vectors, train: Split, test: Split) -> Representations:
    check_classes(train, test)
    parts = (
        np.asarray(part)
        for split in (train, test)
        for part in (vectors(split.images), split.labels)
    )
    return Representations(*parts)


def check_classes(*splits: Split) -> None:
    """Raises Unavailable where an image has no class."""
    if any((np.asarray(split.labels) < 0).any() for split in splits):
        raise Unavailable("the images have no classes")
