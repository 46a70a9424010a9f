"""95 % intervals, each beside the number that it belongs to, each saying how it was made.

A Fréchet distance must not be bootstrapped: drawing images twice narrows their spread, which moves the distance far
upwards, so that the interval does not even hold the value. Numbers of whole sets are measured on several sets instead.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
NUM_RESAMPLES = 1000
RESAMPLES_AT_ONCE = 100
NUM_BLOCKS = 10
TOO_FEW = "none: too few images"


class Estimate(NamedTuple):
    """A number with its 95 % interval, where there is one, and how the interval was made."""

    value: float
    interval: tuple[float, float] | None
    interval_method: str


def of_repeats(values: Sequence[float]) -> Estimate:
    """Returns the mean of equal measurements on independent sets, with Student's interval of that mean."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    margin = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Estimate(mean, (mean - margin, mean + margin), f"Student, {len(values)} repeats")


def of_mean(values: np.ndarray, seed: int) -> Estimate:
    """Returns the mean over images of values (n,), with the bootstrap's percentile interval (Efron 1979)."""
    values = np.asarray(values, np.float64)
    mean, method = float(values.mean()), f"bootstrap over {len(values)} images"
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) == 0:
        return Estimate(mean, (mean, mean), method)
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, (min(float(found.low), mean), max(float(found.high), mean)), method)


def of_jackknife(value: float, without: Sequence[float]) -> Estimate:
    """Returns the value with Student's interval from the delete-a-block jackknife (Quenouille 1956, Tukey 1958).

    Args:
        value: Of the whole set.
        without: The same number of the set without its first block, without its second block, and so on. Where there
            are none, or one of them is not a finite number, there is no interval.
    """
    if not len(without) or not np.isfinite(without).all():
        return Estimate(value, None, TOO_FEW)
    num_blocks = len(without)
    error = float(
        np.sqrt(
            (num_blocks - 1)
            / num_blocks
            * np.sum(np.square(np.asarray(without) - np.mean(without)))
        )
    )
    margin = float(stats.t.ppf((1 + LEVEL) / 2, num_blocks - 1)) * error
    return Estimate(
        value, (value - margin, value + margin), f"jackknife, {num_blocks} blocks of images"
    )
