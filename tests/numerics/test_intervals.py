"""Intervals: against numbers from tables, exact formulas, and how often they hold the truth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from genlab.contract.evidence import Samples, without_blocks, without_generated
from genlab.numerics import intervals
from genlab.numerics.intervals import Estimate


def test_repeats_have_students_interval() -> None:
    """The quantile of Student's distribution with 2 degrees of freedom is 4.30265."""
    estimate, margin = intervals.of_repeats([1.0, 2.0, 3.0]), 4.30265 / np.sqrt(3)
    assert (estimate.value, estimate.interval_method) == (2, "Student, 3 repeats")
    assert estimate.interval == pytest.approx((2 - margin, 2 + margin), rel=1e-5)
    assert intervals.of_repeats([0.25, 0.25]).interval == (0.25, 0.25)


def test_interval_of_a_mean_is_as_wide_as_the_central_limit_theorem_says() -> None:
    values = np.random.default_rng(0).exponential(size=4000)
    estimate, margin = intervals.of_mean(values, seed=1), 1.96 * values.std() / np.sqrt(4000)
    mean = values.mean()
    assert estimate.value == pytest.approx(mean)
    assert estimate.interval == pytest.approx((mean - margin, mean + margin), abs=0.15 * margin)
    assert estimate.interval_method == "bootstrap over 4000 images"
    assert intervals.of_mean(values, seed=1) == estimate
    assert intervals.of_mean(values, seed=2).interval != estimate.interval


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0, 2.0], [1.0, np.nan]])
def test_mean_that_is_not_resampled_has_an_interval_without_width(values: list[float]) -> None:
    estimate = intervals.of_mean(np.array(values), seed=0)
    mean = np.mean(values)
    np.testing.assert_array_equal([estimate.value, *estimate.interval], [mean] * 3)


def test_jackknife_of_a_mean_is_the_error_of_the_block_means() -> None:
    """To leave a block out of a mean is linear in the block's mean: the jackknife is exact."""
    values = np.random.default_rng(0).normal(size=(10, 30))
    without = [np.delete(values, block, axis=0).mean() for block in range(10)]
    mean, margin = values.mean(), 2.262157 * values.mean(axis=1).std(ddof=1) / np.sqrt(10)
    expected = (mean - margin, mean + margin)
    method = "jackknife, 10 blocks of images"
    estimate = intervals.of_jackknife(mean, without)
    assert estimate == Estimate(mean, pytest.approx(expected, rel=1e-6), method)


@pytest.mark.parametrize("without", [[], [1.0, np.nan]])
def test_jackknife_of_missing_numbers_has_no_interval(without: list[float]) -> None:
    assert intervals.of_jackknife(2.0, without) == (2.0, None, "none: too few images")


def of_jackknife(values: np.ndarray, seed: int) -> Estimate:
    without = [np.delete(values, np.s_[block::10]).mean() for block in range(10)]
    return intervals.of_jackknife(values.mean(), without)


@pytest.mark.parametrize(
    "estimate",
    [lambda values, seed: intervals.of_repeats(list(values[:5])), intervals.of_mean, of_jackknife],
    ids=["repeats", "mean", "jackknife"],
)
def test_truth_lies_within_nineteen_times_of_twenty(
    estimate: Callable[[np.ndarray, int], Estimate],
) -> None:
    generator, hits = np.random.default_rng(0), 0
    for trial in range(400):
        low, high = estimate(generator.normal(5.0, 2.0, 60), trial).interval
        hits += low <= 5 <= high
    assert 0.91 < hits / 400 < 0.98


def evidence() -> Samples:
    real, generated, asked = np.arange(10), np.arange(8), np.arange(8) % 2
    features = real[:, None], generated[:, None]
    return Samples(*features, real, generated, 3, seed=5, asked_classes=asked)


def test_block_is_left_out_of_every_array_and_nothing_else_changes() -> None:
    parts = without_blocks(evidence(), num_blocks=4)
    second = parts[1]
    np.testing.assert_array_equal(second.real_classes, [0, 2, 3, 4, 6, 7, 8])
    np.testing.assert_array_equal(second.generated_features[:, 0], [0, 2, 3, 4, 6, 7])
    np.testing.assert_array_equal(second.asked_classes, [0, 0, 1, 0, 0, 1])
    assert (second.num_classes, second.seed, second.train_features) == (3, 5, None)
    left_out = [set(range(10)) - set(part.real_classes) for part in parts]
    assert left_out == [{0, 4, 8}, {1, 5, 9}, {2, 6}, {3, 7}]
    assert without_blocks(evidence(), num_blocks=5) == []


def test_generated_images_are_left_out_of_what_belongs_to_them() -> None:
    part = without_generated(evidence(), np.array([0, 3]))
    for array in (part.generated_features[:, 0], part.generated_classes, part.generated_rows):
        np.testing.assert_array_equal(array, [1, 2, 4, 5, 6, 7])
    np.testing.assert_array_equal(part.asked_classes, [1, 0, 0, 1, 0, 1])
    assert len(part.real_features) == 10


@pytest.mark.parametrize(
    ("limits", "interval", "expected"),
    [
        ((0, 1), (0.993, 1.01), (0.993, 1.0)),  # a recall of 1
        ((0, np.inf), (-0.1, 0.1), (0.0, 0.1)),  # a distance of 0
        ((-np.inf, np.inf), (-3.0, 2.0), (-3.0, 2.0)),
        ((0, 1), None, None),
        (None, (0.965, 7.03), None),  # a count of 4
    ],
)
def test_interval_lies_where_values_can(limits: Any, interval: Any, expected: Any) -> None:
    estimate = intervals.within(Estimate(1.0, interval, "Student"), limits)
    assert (estimate.value, estimate.interval) == (1.0, expected)
    assert estimate.interval_method == ("Student" if limits else "none: a count")
