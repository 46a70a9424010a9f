"""What every contestant gets on its command line, and the line of JSON that it prints."""

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
    """One measurement.

    Attributes:
        model: One of the workloads.
        precision: One of `PRECISIONS`.
        batch_size: Images per step.
        seconds: How long the steady speed is measured.
        data: A data set.
        variant: What else differs; the contestant's file says what it understands.
        started: `time.perf_counter()` after the imports.
    """

    model: str
    precision: str
    batch_size: int
    seconds: float
    data: Path
    variant: str
    started: float

    def read_images(self) -> np.ndarray:
        """Returns the training images, uint8 (n, 28, 28, 1), in memory."""
        return np.array(arrays.read_split(self.data, "train").images)


def main(run: Callable[[Task], dict[str, Any]]) -> None:
    """Runs the task of the command line and prints what it measured; for after all imports."""
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
    """As `main`, for a contestant that is a function of the number of steps to make."""
    main(lambda task: timing.measure(make(task), task.batch_size, task.seconds, task.started))
