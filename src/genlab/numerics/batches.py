"""The fixed batches in which networks compute."""

from collections.abc import Callable, Sequence

import numpy as np


def in_batches(
    function: Callable[[np.ndarray, int], Sequence[np.ndarray]], values: np.ndarray, batch_size: int
) -> list[np.ndarray]:
    """Returns the outputs of `function` for all values, each concatenated over the batches.

    Every batch is filled up to one size: equal shapes give equal bits, so the first values' outputs do not depend on
    how many follow. One batch is in memory at a time, also where `values` lies on disk (`np.memmap`).

    Args:
        function: Takes (batch_size, ...) and the number of values before, and returns arrays (batch_size, ...).
        values: Images or latents, at least one, (n, ...).
        batch_size: At least 1.
    """
    parts = []
    for start in range(0, len(values), batch_size):
        batch = np.asarray(values[start : start + batch_size])
        filling = np.zeros((batch_size - len(batch), *batch.shape[1:]), batch.dtype)
        filled = np.concatenate([batch, filling]) if len(filling) else batch
        parts.append([np.asarray(output)[: len(batch)] for output in function(filled, start)])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
