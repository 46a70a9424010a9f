"""95 % intervals, each beside its number, with the method that made it.

A Fréchet distance must not be bootstrapped: to draw images twice narrows their spread and moves the
distance far upwards, so that the interval does not even hold the value. Numbers of whole sets are
measured on several sets instead.
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
OF_A_COUNT = "none: a count"


class Estimate(NamedTuple):
    """A number with its 95 % interval, where there is one, and how the interval was made."""

    value: float
    interval: tuple[float, float] | None
    interval_method: str


def of_repeats(values: Sequence[float]) -> Estimate:
    """Returns the mean of measurements on independent sets, with Student's interval."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return _student(mean, error, len(values), f"Student, {len(values)} repeats")


def of_mean(values: np.ndarray, seed: int) -> Estimate:
    """Returns the mean of one value per image (n,), with the bootstrap's interval (Efron 1979)."""
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    method = f"bootstrap over {len(values)} images"
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) == 0:
        return Estimate(mean, (mean, mean), method)
    low, high = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, (min(float(low), mean), max(float(high), mean)), method)


def of_jackknife(value: float, without: Sequence[float]) -> Estimate:
    """Returns the value with the delete-a-block jackknife's interval (Quenouille 1956, Tukey 1958).

    `without` are the values without each block. There is no interval without any, or where one is
    not finite.
    """
    if not len(without) or not np.isfinite(without).all():
        return Estimate(value, None, TOO_FEW)
    number = len(without)
    squares = np.sum(np.square(np.asarray(without) - np.mean(without)))
    error = float(np.sqrt((number - 1) / number * squares))
    return _student(value, error, number, f"jackknife, {number} blocks of images")


def within(estimate: Estimate, limits: tuple[float, float] | None) -> Estimate:
    """Returns the estimate with its interval inside of the limits, without one for a count."""
    if limits is None:
        return estimate._replace(interval=None, interval_method=OF_A_COUNT)
    if estimate.interval is None:
        return estimate
    low, high = (min(max(end, limits[0]), limits[1]) for end in estimate.interval)
    return estimate._replace(interval=(low, high))


def _student(value: float, error: float, number: int, method: str) -> Estimate:
    margin = float(stats.t.ppf((1 + LEVEL) / 2, number - 1)) * error
    return Estimate(value, (value - margin, value + margin), method)
