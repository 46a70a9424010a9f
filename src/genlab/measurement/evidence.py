"""What metrics are given, and what they say of their values."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np


class Measure(NamedTuple):
    """What one number means: its unit, which direction is better, and where it was defined."""

    unit: str
    direction: Literal["lower", "higher", "none"]
    reference: str


class Unavailable(Exception):  # noqa: N818 - no error of the user
    """This evidence does not allow the measurement; the message says why: "the images have no classes"."""


Values = dict[str, float | np.ndarray]
"""What a metric returns: a number of the whole set, or one value per image (n,), whose mean is the number."""


@dataclass(frozen=True)
class Samples:
    """Generated images against real ones, as features (n, feature_dim) and predicted classes (n,).

    Attributes:
        real_features: Of real images that the model was not trained on, (n, feature_dim).
        generated_features: (m, feature_dim).
        real_classes: As the feature extractor sees them, int64 (n,).
        generated_classes: int64 (m,).
        num_classes: 0 where the images have no classes.
        train_features: Of the images that the model was trained on, (t, feature_dim), where they are known.
        seed: Of what a metric draws.
        generated_rows: Rows of the generated images in the set that they are a part of, int64 (m,); None: all.
    """

    real_features: np.ndarray
    generated_features: np.ndarray
    real_classes: np.ndarray
    generated_classes: np.ndarray
    num_classes: int
    train_features: np.ndarray | None = None
    seed: int = 0
    generated_rows: np.ndarray | None = None


@dataclass(frozen=True)
class Reconstructions:
    """Images and what a model made of them, float32 NHWC in [0, 1]."""

    images: np.ndarray
    reconstructions: np.ndarray


@dataclass(frozen=True)
class EvidenceBound:
    """The unweighted terms of the ELBO: -log p(image | latent), (n,) nats, and the KL, (n, latent_dim) nats.

    With them the posterior means (n, latent_dim).
    """

    reconstruction_losses: np.ndarray
    kls: np.ndarray
    means: np.ndarray


@dataclass(frozen=True)
class ImportanceWeights:
    """Importance-sampled estimates of log p(image), (n,) nats, each the log of a mean of weights."""

    log_likelihoods: np.ndarray


@dataclass(frozen=True)
class Representations:
    """Vectors of labelled images (n, size) that a classifier is trained on, and others to test it on."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True)
class FewLabels:
    """Classes that two classifiers of one architecture, trained on few labels, predict of test images: int64 (n,).

    One began with a trained encoder's weights, the other with random ones.
    """

    fine_tuned: np.ndarray
    from_scratch: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class OutlierScores:
    """How strange a model finds images like its own (n,) and images of another kind (m,): larger is stranger."""

    inliers: np.ndarray
    outliers: np.ndarray


Evidence = (
    Samples
    | Reconstructions
    | EvidenceBound
    | ImportanceWeights
    | Representations
    | FewLabels
    | OutlierScores
)
Protocol = dict[str, Any]
AnyEvidence = TypeVar("AnyEvidence", bound=Evidence)


def draw(features: np.ndarray, rows: np.ndarray | None, size: int, seed: int) -> np.ndarray:
    """Returns `size` of the features (n, feature_dim), drawn without replacement, in their order.

    Every row of the whole set has a rank of its own, whichever others are there. So without some images the draw keeps
    the rest of them, and the jackknife does not take the draw's own noise for the images'.

    Args:
        features: Of the images that are there.
        rows: Where they stand in the whole set, (n,); None: they are all.
        size: At most n.
        seed: Of the ranks.
    """
    places = np.arange(len(features)) if rows is None else rows
    ranks = np.random.default_rng(seed).random(int(places.max()) + 1)[
        places
    ]  # the first do not depend on how many
    return features[np.sort(np.argsort(ranks, kind="stable")[:size])]


def without_block(evidence: AnyEvidence, block: int, num_blocks: int) -> AnyEvidence:
    """Returns the evidence without one of `num_blocks` blocks of its images: the rows block, block + num_blocks, ..."""
    arrays = {
        name: value for name, value in vars(evidence).items() if isinstance(value, np.ndarray)
    }
    kept = {
        name: np.delete(array, np.s_[block::num_blocks], axis=0) for name, array in arrays.items()
    }
    return dataclasses.replace(evidence, **kept)  # type: ignore


def without_blocks(evidence: AnyEvidence, num_blocks: int) -> list[AnyEvidence]:
    """Returns the evidence without each of its blocks; nothing where an array has fewer than two images per block."""
    if (
        min(len(value) for value in vars(evidence).values() if isinstance(value, np.ndarray))
        < 2 * num_blocks
    ):
        return []
    return [without_block(evidence, block, num_blocks) for block in range(num_blocks)]


def without_generated(samples: Samples, left_out: np.ndarray) -> Samples:
    """Returns the evidence without some of the generated images, given by their indices."""
    rows = (
        np.arange(len(samples.generated_features))
        if samples.generated_rows is None
        else samples.generated_rows
    )
    arrays = vars(samples) | {"generated_rows": rows}
    names = ("generated_features", "generated_classes", "generated_rows")
    return dataclasses.replace(
        samples, **{name: np.delete(arrays[name], left_out, axis=0) for name in names}
    )
