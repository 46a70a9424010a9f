"""What metrics are given, and what they say of their values."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from genlab.contract.score import Direction, Interval


class Measure(NamedTuple):
    """What one number means.

    Attributes:
        unit: Of the value.
        direction: In which it is better.
        reference: Where it is defined.
        limits: Of all values, and so of an interval; None for a count, which has no interval.
    """

    unit: str
    direction: Direction
    reference: str
    limits: Interval | None = (-math.inf, math.inf)


class Unavailable(Exception):  # noqa: N818 - no error of the user
    """This evidence does not allow the measurement; the message says why."""


Values = dict[str, float | np.ndarray]
"""What a metric returns: a number of the whole set, or one value per image (n,) to be averaged."""
Protocol = dict[str, Any]


@dataclass(frozen=True)
class Samples:
    """Generated images against real ones.

    Attributes:
        real_features: Of real images that the model was not trained on, (n, feature_dim).
        generated_features: (m, feature_dim).
        real_classes: As the feature extractor sees them, int64 (n,).
        generated_classes: int64 (m,).
        num_classes: 0 where the images have no classes.
        train_features: Of the images that the model was trained on, (t, feature_dim), if known.
        seed: Of what a metric draws.
        generated_rows: Rows of the generated images in the whole set, int64 (m,); None: all.
        asked_classes: That the generated images were to have, int64 (m,); None: any.
        generated_images: uint8 (m, height, width, channels), where a metric may look at them.
        train_images: uint8 (t, height, width, channels), the same.
    """

    real_features: np.ndarray
    generated_features: np.ndarray
    real_classes: np.ndarray
    generated_classes: np.ndarray
    num_classes: int
    train_features: np.ndarray | None = None
    seed: int = 0
    generated_rows: np.ndarray | None = None
    asked_classes: np.ndarray | None = None
    generated_images: np.ndarray | None = None
    train_images: np.ndarray | None = None

    def check_classes(self) -> None:
        """Raises Unavailable where the images have no classes."""
        if self.num_classes < 2:
            raise Unavailable("the images have no classes")

    def whole(self) -> np.ndarray:
        """Returns the one part that holds all generated images, bool (1, m)."""
        return np.ones((1, len(self.generated_features)), bool)


@dataclass(frozen=True)
class Reconstructions:
    """Images and what a model made of them, float32 NHWC in [0, 1]."""

    images: np.ndarray
    reconstructions: np.ndarray


@dataclass(frozen=True)
class EvidenceBound:
    """The unweighted terms of the ELBO of each image, in nats.

    Attributes:
        reconstruction_losses: -log p(image | latent), (n,).
        kls: (n, latent_dim).
        means: Of the posterior, (n, latent_dim).
        entropies: Of the grey values as probabilities of white, (n,): they are in the losses.
    """

    reconstruction_losses: np.ndarray
    kls: np.ndarray
    means: np.ndarray
    entropies: np.ndarray


@dataclass(frozen=True)
class LogLikelihoods:
    """Estimates of log p(image), (n,) nats.

    Beside them the entropies of the grey values (n,), where these are probabilities of white.
    """

    log_likelihoods: np.ndarray
    entropies: np.ndarray | None = None


@dataclass(frozen=True)
class LabelledVectors:
    """Vectors of labelled images (n, size) to train a classifier on, and others to test it on."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    def check_classes(self) -> None:
        """Raises Unavailable where there is nothing to tell apart."""
        if len(np.unique(self.train_labels)) < 2:
            raise Unavailable("the train images have fewer than two classes")


@dataclass(frozen=True)
class FewLabelPredictions:
    """Classes of test images, predicted by two classifiers of one architecture: int64 (n,) each.

    One was a trained encoder, the other had random weights; both learned from few labels.
    """

    fine_tuned: np.ndarray
    from_scratch: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class OutlierScores:
    """How strange a model finds images like its own (n,) and others (m,): larger is stranger."""

    inliers: np.ndarray
    outliers: np.ndarray


Evidence = (
    Samples
    | Reconstructions
    | EvidenceBound
    | LogLikelihoods
    | LabelledVectors
    | FewLabelPredictions
    | OutlierScores
)
AnyEvidence = TypeVar("AnyEvidence", bound=Evidence)


def draw(features: np.ndarray, rows: np.ndarray | None, size: int, seed: int) -> np.ndarray:
    """Returns `size` of the features (n, feature_dim), without replacement, in their order.

    Each row of the whole set has a rank of its own (`rows`: where the features are in it; None:
    they are all). So without some images the draw keeps the others, and the jackknife does not take
    the noise of the draw for that of the images.
    """
    return features[np.sort(draw_order(len(features), rows, seed)[:size])]


def draw_order(number: int, rows: np.ndarray | None, seed: int) -> np.ndarray:
    """Returns in which order `draw` takes `number` features, int64 (number,)."""
    places = np.arange(number) if rows is None else rows
    ranks = np.random.default_rng(seed).random(int(places.max()) + 1)[places]
    return np.argsort(ranks, kind="stable")


def without_blocks(evidence: AnyEvidence, num_blocks: int) -> list[AnyEvidence]:
    """Returns the evidence without each block of its images: the rows i, i + num_blocks, ...

    Empty where an array has fewer than two images per block.
    """
    arrays = {
        name: array for name, array in vars(evidence).items() if isinstance(array, np.ndarray)
    }
    if min(map(len, arrays.values())) < 2 * num_blocks:
        return []
    return [_without(evidence, np.s_[block::num_blocks], arrays) for block in range(num_blocks)]


def without_generated(samples: Samples, indices: np.ndarray) -> Samples:
    """Returns the evidence without some of the generated images."""
    rows = samples.generated_rows
    arrays = {
        "generated_features": samples.generated_features,
        "generated_classes": samples.generated_classes,
        "generated_rows": np.arange(len(samples.generated_features)) if rows is None else rows,
    }
    for name in ("asked_classes", "generated_images"):
        if (array := getattr(samples, name)) is not None:
            arrays[name] = array
    return _without(samples, indices, arrays)


def _without(evidence: AnyEvidence, rows: Any, arrays: dict[str, np.ndarray]) -> AnyEvidence:
    others: Any = {name: np.delete(array, rows, axis=0) for name, array in arrays.items()}
    return dataclasses.replace(evidence, **others)
