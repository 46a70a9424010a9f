"""What observing costs: `python -m benchmarks.overhead vae --variant on`, and `off`.

A tenth (or so) of a model's real steps is trained with all that a real training has: as many logged rows, pictures and
checkpoints, so at a tenth of the distance. Switched off, the same steps are trained without tracking, pictures and
checkpoints. The difference in seconds is what they cost a real training, whose other seconds are ten times as many.
Validation is none of them: both have it, as often per step as a real training.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401 - the time of its import is none of observing
import tensorflow as tf  # noqa: F401

from benchmarks import stage, workloads
from benchmarks.contestant import Task, main
from genlab import training

FEWER = {"vae": 10, "convolutional_vae": 20, "gan": 10, "autoencoder": 5}
"""How many times fewer steps than in params.yaml are trained."""
NEVER_SECONDS = 1e9


def run(task: Task) -> dict[str, Any]:
    """Trains with everything on, or off."""
    fewer, real = FEWER[task.model], workloads.parameters(task.model)
    steps, loop = real.model(task.model)["steps"] // fewer, real.training
    changes: dict[str, Any] = {
        "precision": task.precision,
        "density_components": 1,
        "density_images": 100,
    }
    if task.variant == "on":
        changes["log_every_steps"] = max(1, loop.log_every_steps // fewer)
        changes["checkpoint_every_seconds"] = loop.checkpoint_every_seconds / fewer
    else:  # two single pictures are the fewest there can be
        changes |= {
            "log_every_steps": loop.validate_every_steps,
            "num_picture_times": 2,
            "num_pictures": 1,
        }
        changes["checkpoint_every_seconds"] = NEVER_SECONDS
    with tempfile.TemporaryDirectory(prefix="genlab-benchmark-") as root:
        stage.enter(Path(root))
        started = time.perf_counter()
        if task.variant == "on":
            facts, _ = stage.train_once(task, Path(root), steps, changes)
        else:
            params = workloads.parameters(
                task.model, changes, batch_size=task.batch_size, steps=steps
            )
            facts = vars(
                training.fit(training.prepare(params, task.model, task.data), training.NoRecorder())
            )
        seconds = time.perf_counter() - started
    return {
        "fewer": fewer,
        "steps": steps,
        "first_call_seconds": facts["first_call_seconds"],
        "training_seconds": facts["train_seconds"] - facts["first_call_seconds"],
        "seconds_before_and_after": seconds - facts["train_seconds"],
    }


if __name__ == "__main__":
    main(run)
