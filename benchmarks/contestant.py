"""What every contestant is told on its command line, and the one line of JSON that it answers."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import timing, workloads
from genlab.imaging import arrays

PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class Task:
    """One measurement."""

    model: str
    precision: str
    batch_size: int
    seconds: float
    data: Path
    variant: str
    """What else differs; the contestant's file says what it understands."""
    started: float
    """`time.perf_counter()` after the imports."""

    def read_images(self) -> np.ndarray:
        """Returns the training images, uint8 (n, 28, 28, 1), in memory."""
        return np.array(arrays.read_split(self.data, "train").images)


def main(run: Callable[[Task], dict[str, Any]]) -> None:
    """Reads a task from the command line, runs it and prints what it measured. To be called after all imports."""
    started = time.perf_counter()

    @click.command()
    @click.argument("model", type=click.Choice(list(workloads.ENTRIES)))
    @click.option("--precision", type=click.Choice(PRECISIONS), default="float32")
    @click.option("--batch-size", type=int, default=workloads.BATCH_SIZE)
    @click.option("--seconds", type=float, default=5.0)
    @click.option("--data", type=click.Path(path_type=Path), required=True)
    @click.option("--variant", default="")
    def command(**options: Any) -> None:
        print(json.dumps(run(Task(**options, started=started))))

    command()


def main_of_loop(make: Callable[[Task], Callable[[int], object]]) -> None:
    """As `main`, for a contestant that is a function which makes as many steps as it is told."""
    main(lambda task: timing.measure(make(task), task.batch_size, task.seconds, task.started))
