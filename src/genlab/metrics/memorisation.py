"""Has the model copied its training images? Compares distances to the nearest training image.

After Meehan, Chaudhuri and Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative
Models", AISTATS 2020. With d(.) the distance to the nearest train image in the features,

    rank = P(d(generated) < d(held out)) + P(d(generated) = d(held out)) / 2,

Mann and Whitney's statistic as a share of all pairs: 0.5 where samples are as far from the train
images as new real ones are, 1 where all are nearer. Poor samples are farther and hide copies among
them. So there is also the share of samples that are nearer to a train image than the nearest 1 % of
the held-out images. Held-out images that are train images themselves do not count there: otherwise
nothing could be nearer.

Both compare within the cells of the paper, which are the classes here: samples of one class only,
whose images are near to each other, are no copies.

*Departure from the paper.* Cells are classes, not clusters, and the statistic is not turned into a
z-score.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from genlab.contract.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import neighbours

NEEDS = Samples
MEASURES = {
    "nearest_train_rank": Measure(
        "share of pairs, 0.5 as held-out images", "none", "Meehan et al. 2020", (0, 1)
    ),
    "copied_share": Measure(
        "share of the generated images, 0.01 as held-out images", "lower", "docs/metrics.md", (0, 1)
    ),
}
NEAREST_SHARE = 0.01
FEWEST_HELD_OUT = 200
"""In a cell: of so few the nearest 1 % are hardly more than the nearest one."""


class ClosestPairs(NamedTuple):
    """Indices of generated images and their nearest train images, closest first, and distances."""

    generated: np.ndarray
    train: np.ndarray
    distances: np.ndarray


def compute(samples: Samples) -> Values:
    """Returns the rank and the share."""
    return compute_parts(samples, samples.whole())[0]


def compute_parts(samples: Samples, kept: np.ndarray) -> list[Values]:
    """Returns the rank and the share in each part of the generated images, bool (parts, m)."""
    train = _train_features(samples)
    held_out, _ = neighbours.nearest(samples.real_features, train)
    generated, _ = neighbours.nearest(samples.generated_features, train)
    if not (held_out > 0).any():
        raise Unavailable("all held-out images are among those that the model was trained on")
    ranks, is_copy = np.empty(len(generated)), np.empty(len(generated), bool)
    for own, others in _cells(samples, held_out > 0):
        ranks[own] = _ranks(generated[own], held_out[others])
        unseen = held_out[others & (held_out > 0)]
        is_copy[own] = generated[own] < np.quantile(unseen, NEAREST_SHARE)
    return [
        {
            "nearest_train_rank": float(ranks[part].mean()),
            "copied_share": float(is_copy[part].mean()),
        }
        for part in kept
    ]


def _cells(samples: Samples, is_unseen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the generated images of each cell, and the held-out ones, as bool (m,) and (n,).

    A cell is a class. Classes with few held-out images have no cell, and are held against all.
    """
    unseen = samples.real_classes[is_unseen]
    classes = range(samples.num_classes)
    large = [label for label in classes if np.sum(unseen == label) >= FEWEST_HELD_OUT]
    for label in large:
        yield samples.generated_classes == label, samples.real_classes == label
    yield ~np.isin(samples.generated_classes, large), np.ones(len(is_unseen), bool)


def _ranks(generated: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Returns of each distance the share of the held-out ones that are larger, ties by halves."""
    ordered = np.sort(held_out)
    below = np.searchsorted(ordered, generated, side="left")
    not_above = np.searchsorted(ordered, generated, side="right")
    return 1 - (below + not_above) / (2 * len(ordered))


def closest_pairs(samples: Samples, num_pairs: int) -> ClosestPairs:
    """Returns the generated images that are closest to a train image, for a look at them."""
    distances, indices = neighbours.nearest(samples.generated_features, _train_features(samples))
    order = np.argsort(distances, kind="stable")[:num_pairs]
    return ClosestPairs(order, indices[order], distances[order])


def _train_features(samples: Samples) -> np.ndarray:
    if samples.train_features is None or not len(samples.train_features):
        raise Unavailable("the images that the model was trained on are not known")
    return samples.train_features
