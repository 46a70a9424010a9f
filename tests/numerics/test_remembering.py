"""Results that are remembered: by the content of arrays and by all other arguments."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from genlab.numerics.remembering import remembered


def test_last_results_are_remembered_by_all_arguments() -> None:
    asked: list[int] = []

    @remembered(2)
    def times(values: np.ndarray, factor: int) -> np.ndarray:
        asked.append(factor)
        return values * factor

    values = np.arange(3)
    for factor in (2, 3, 2):
        np.testing.assert_array_equal(times(values.copy(), factor), values * factor)
    assert asked == [2, 3]
    np.testing.assert_array_equal(times(values + 1, 2), (values + 1) * 2)
    times(values, 2)
    times(values, 3)  # the oldest of three was forgotten
    assert asked == [2, 3, 2, 3]


def test_of_several_threads_one_computes() -> None:
    asked: list[int] = []
    both = threading.Barrier(2)

    @remembered(2)
    def slowly(number: int) -> np.ndarray:
        asked.append(number)
        time.sleep(0.05)
        return np.array([number])

    def ask(number: int) -> np.ndarray:
        both.wait(10)
        return slowly(number)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, [7, 7])
    assert first is second
    assert asked == [7]


def test_a_failure_is_not_remembered() -> None:
    asked: list[int] = []

    @remembered(2)
    def fails_once(number: int) -> np.ndarray:
        asked.append(number)
        if len(asked) == 1:
            raise OSError("once")
        return np.array([number])

    with pytest.raises(OSError, match="once"):
        fails_once(7)
    assert fails_once(7) == [7]
    assert asked == [7, 7]
