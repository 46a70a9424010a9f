"""Results that are remembered: by the content of arrays and by all other arguments."""

import numpy as np

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
