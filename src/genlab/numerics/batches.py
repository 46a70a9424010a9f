"""The fixed batches in which networks compute."""

from collections.abc import Callable, Sequence

import numpy as np

Compute = Callable[[np.ndarray, int], Sequence[np.ndarray]]
"""From a batch (batch_size, ...) and the number of values before it to arrays (batch_size, ...)."""


def in_batches(compute: Compute, values: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Returns the outputs of `compute` for values (n, ...), each concatenated over the batches.

    The last batch is filled up: equal shapes give equal bits, so the outputs of the first values
    do not depend on how many follow. One batch is in memory at a time, also of an `np.memmap`.
    """
    parts = []
    for start in range(0, len(values), batch_size):
        batch = np.asarray(values[start : start + batch_size])
        missing = batch_size - len(batch)
        filled = np.pad(batch, [(0, missing)] + [(0, 0)] * (batch.ndim - 1)) if missing else batch
        parts.append([np.asarray(output)[: len(batch)] for output in compute(filled, start)])
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
