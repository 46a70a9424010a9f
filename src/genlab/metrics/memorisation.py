"""Has the model copied its training images? Compares distances to the nearest training image.

After Meehan, Chaudhuri and Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative
Models", AISTATS 2020. With d(.) the distance to the nearest train image in the features,

    rank = P(d(generated) < d(held out)) + P(d(generated) = d(held out)) / 2,

Mann and Whitney's statistic as a share of all pairs: 0.5 where samples are as far from the train
images as new real ones are, 1 where all are nearer. Poor samples are farther and hide copies among
them. So there is also the share of samples that are nearer to a train image than the nearest 1 % of
the held-out images. Held-out images that are train images themselves do not count there: otherwise
nothing could be nearer.

*Departure from the paper.* The whole space is one cell, and the statistic is not turned into a
z-score.
"""

from typing import NamedTuple

import numpy as np

from genlab.contract.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import neighbours

NEEDS = Samples
MEASURES = {
    "nearest_train_rank": Measure(
        "share of pairs, 0.5 as held-out images", "none", "Meehan et al. 2020"
    ),
    "copied_share": Measure(
        "share of the generated images, 0.01 as held-out images", "lower", "docs/metrics.md"
    ),
}
NEAREST_SHARE = 0.01


class ClosestPairs(NamedTuple):
    """Indices of generated images and their nearest train images, closest first, and distances."""

    generated: np.ndarray
    train: np.ndarray
    distances: np.ndarray


def compute(samples: Samples) -> Values:
    """Returns the rank and the share."""
    from sklearn.metrics import roc_auc_score

    train = _train_features(samples)
    held_out, _ = neighbours.nearest(samples.real_features, train)
    generated, _ = neighbours.nearest(samples.generated_features, train)
    is_held_out = np.repeat([True, False], [len(held_out), len(generated)])
    rank = roc_auc_score(is_held_out, np.concatenate([held_out, generated]))
    unseen = held_out[held_out > 0]
    if not len(unseen):
        raise Unavailable("all held-out images are among those that the model was trained on")
    is_copy = generated < np.quantile(unseen, NEAREST_SHARE)
    return {"nearest_train_rank": float(rank), "copied_share": float(is_copy.mean())}


def closest_pairs(samples: Samples, num_pairs: int) -> ClosestPairs:
    """Returns the generated images that are closest to a train image, for a look at them."""
    distances, indices = neighbours.nearest(samples.generated_features, _train_features(samples))
    order = np.argsort(distances, kind="stable")[:num_pairs]
    return ClosestPairs(order, indices[order], distances[order])


def _train_features(samples: Samples) -> np.ndarray:
    if samples.train_features is None or not len(samples.train_features):
        raise Unavailable("the images that the model was trained on are not known")
    return samples.train_features
