"""Intervals: against numbers from tables, against exact formulas, and by how often they hold the truth."""

import numpy as np
import pytest

from genlab.measurement.evidence import Samples, without_block
from genlab.numerics import intervals


def test_repeats_have_students_interval() -> None:
    """The quantile of Student's distribution with 2 degrees of freedom is 4.30265."""
    found = intervals.of_repeats([1.0, 2.0, 3.0])
    assert found.value == 2
    assert found.interval == pytest.approx(
        (2 - 4.30265 / np.sqrt(3), 2 + 4.30265 / np.sqrt(3)), rel=1e-5
    )
    assert found.interval_method == "Student, 3 repeats"


def test_equal_repeats_have_an_interval_without_width() -> None:
    assert intervals.of_repeats([0.25, 0.25]).interval == (0.25, 0.25)


def test_interval_of_a_mean_is_as_wide_as_the_central_limit_theorem_says() -> None:
    values = np.random.default_rng(0).exponential(size=4000)
    found, margin = intervals.of_mean(values, seed=1), 1.96 * values.std() / np.sqrt(4000)
    assert found.value == pytest.approx(values.mean())
    assert found.interval == pytest.approx(
        (values.mean() - margin, values.mean() + margin), abs=0.15 * margin
    )
    assert found.interval_method == "bootstrap over 4000 images"
    assert intervals.of_mean(values, seed=1) == found
    assert intervals.of_mean(values, seed=2).interval != found.interval


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0, 2.0]])
def test_mean_of_equal_values_has_an_interval_without_width(values: list[float]) -> None:
    assert intervals.of_mean(np.array(values), seed=0).interval == (values[0], values[0])


def test_what_is_not_finite_stays_so_and_is_not_resampled() -> None:
    found = intervals.of_mean(np.array([1.0, np.nan]), seed=0)
    assert np.isnan([found.value, *found.interval]).all()


def test_jackknife_of_a_mean_is_the_error_of_the_block_means() -> None:
    """Leaving a block out of a mean is linear in the block's mean, so the jackknife is exact there."""
    values = np.random.default_rng(0).normal(size=(10, 30))
    without = [np.delete(values, block, axis=0).mean() for block in range(10)]
    found = intervals.of_jackknife(values.mean(), without)
    margin = 2.262157 * values.mean(axis=1).std(ddof=1) / np.sqrt(10)
    assert found.value == values.mean()
    assert found.interval == pytest.approx(
        (values.mean() - margin, values.mean() + margin), rel=1e-6
    )
    assert found.interval_method == "jackknife, 10 blocks of images"


@pytest.mark.parametrize("method", ["repeats", "mean", "jackknife"])
def test_truth_lies_within_nineteen_times_of_twenty(method: str) -> None:
    generator, hits = np.random.default_rng(0), 0
    for trial in range(400):
        values = generator.normal(5.0, 2.0, 60)
        if method == "repeats":
            found = intervals.of_repeats(list(values[:5]))
        elif method == "mean":
            found = intervals.of_mean(values, seed=trial)
        else:
            without = [np.delete(values, np.s_[block::10]).mean() for block in range(10)]
            found = intervals.of_jackknife(values.mean(), without)
        hits += found.interval[0] <= 5 <= found.interval[1]
    assert 0.91 < hits / 400 < 0.98


def test_block_is_left_out_of_every_array_and_nothing_else_changes() -> None:
    evidence = Samples(
        np.arange(10)[:, None], np.arange(7)[:, None], np.arange(10), np.arange(7), 3, seed=5
    )
    found = without_block(evidence, block=1, num_blocks=4)
    np.testing.assert_array_equal(found.real_classes, [0, 2, 3, 4, 6, 7, 8])
    np.testing.assert_array_equal(found.generated_features[:, 0], [0, 2, 3, 4, 6])
    assert (found.num_classes, found.seed, found.train_features) == (3, 5, None)
    rest = [without_block(evidence, block, 4).real_classes for block in range(4)]
    assert sorted(set(range(10)) - set(part) for part in rest) == sorted(
        [{0, 4, 8}, {1, 5, 9}, {2, 6}, {3, 7}]
    )
