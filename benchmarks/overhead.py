"""The cost of observing: `python -m benchmarks.overhead vae --variant on`, and `off`.

A tenth (or so) of a model's real steps is trained with everything that a real training has: as many
logged rows, pictures and checkpoints, at a tenth of the distance. Off: the same steps without
tracking, pictures and checkpoints. The difference in seconds is what they cost a real training,
whose other seconds are ten times as many. Validation is in both, as often per step as in a real
training.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401 - the time of its import is no cost of observing
import tensorflow as tf  # noqa: F401

from benchmarks import stage, workloads
from benchmarks.contestant import Task, main
from genlab import training

FEWER = {"vae": 10, "convolutional_vae": 20, "gan": 10, "autoencoder": 5}
"""The steps of params.yaml over those that are trained."""
NEVER_SECONDS = 1e9


def run(task: Task) -> dict[str, Any]:
    """Trains with everything on, or off."""
    fewer, real = FEWER[task.model], workloads.parameters(task.model)
    steps, is_on = real.model(task.model)["steps"] // fewer, task.variant == "on"
    changes = {"precision": task.precision, **stage.SMALL_DENSITY, **_changes(real, fewer, is_on)}
    with tempfile.TemporaryDirectory(prefix="genlab-benchmark-") as root:
        stage.enter(Path(root))
        started = time.perf_counter()
        if is_on:
            facts, _ = stage.train_once(task, Path(root), steps, changes)
        else:
            params = workloads.parameters(
                task.model, changes, batch_size=task.batch_size, steps=steps
            )
            job = training.prepare(params, task.model, task.data)
            facts = vars(training.fit(job, training.NoRecorder()))
        seconds = time.perf_counter() - started
    return {
        "fewer": fewer,
        "steps": steps,
        "first_call_seconds": facts["first_call_seconds"],
        "training_seconds": facts["train_seconds"] - facts["first_call_seconds"],
        "seconds_before_and_after": seconds - facts["train_seconds"],
    }


def _changes(real: Any, fewer: int, is_on: bool) -> dict[str, Any]:
    loop = real.training
    if is_on:
        seconds = loop.checkpoint_every_seconds / fewer
        rows = max(1, loop.log_every_steps // fewer)
        return {"log_every_steps": rows, "checkpoint_every_seconds": seconds}
    fewest = {"num_picture_times": 2, "num_pictures": 1}
    rows = loop.validate_every_steps
    return {"log_every_steps": rows, "checkpoint_every_seconds": NEVER_SECONDS, **fewest}


if __name__ == "__main__":
    main(run)
