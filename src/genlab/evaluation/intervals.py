"""95 % intervals, each beside the number that it belongs to, each saying how it was made."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
NUM_BLOCKS = 10


class Estimate(NamedTuple):
    """A number with its 95 % interval, and how the interval was made."""

    value: float
    interval: tuple[float, float]
    interval_method: str


def of_jackknife(value: float, without: Sequence[float]) -> Estimate:
    """Returns the value with Student's interval from the delete-a-block jackknife (Quenouille 1956, Tukey 1958).

    Args:
        value: Of the whole set.
        without: The same number of the set without its first block, without its second block, and so on.
    """
    num_blocks = len(without)
    error = float(np.sqrt((num_blocks - 1) / num_blocks * np.sum(np.square(np.asarray(without) - np.mean(without)))))
    margin = float(stats.t.ppf((1 + LEVEL) / 2, num_blocks - 1)) * error
    return Estimate(value, (value - margin, value + margin), f"jackknife, {num_blocks} blocks of images")
