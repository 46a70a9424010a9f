"""Trains on two logical CPU devices, which a process asks for before TensorFlow starts.

Prints as JSON how far the weights are from those of one device.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from fixtures_models import (
    Recorder,
    fixture_chapters,
    random_fields,
    takes_of_model,
    tiny_engine,
    tiny_job,
    tiny_model,
)

from genlab import training
from genlab.networks import devices, optimization
from genlab.runtime.errors import InputError

CLIPPED = {"network": "dense", "warmup_steps": 2, "gradient_clip_norm": 0.1}
CRITIC = {"discriminator_steps": 2, "prior": "uniform", "loss": "wasserstein_gp"}
CHANGES: dict[str, dict[str, Any]] = {
    "autoencoder": {"network": "dense"},
    "vae": CLIPPED | {"free_bits": 0.02, "kl_warmup_steps": 3},
    "gan": CLIPPED | CRITIC | {"augmentations": ["colour", "translation", "cutout"]},
    "growing": {"steps": 3, "grown_steps": 3},
}


def trained(strategy: tf.distribute.Strategy | None, kind: str) -> list[np.ndarray]:
    """Returns the weights after six steps on black-and-white draws of grey images.

    They are a function of which images, draws and noise each device sees. A GAN's averages have
    nothing of its start.
    """
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = tiny_model(kind, **CHANGES.get(kind, {}))
        for variable in model.average_generator.variables if kind == "gan" else []:
            variable.assign(tf.zeros(variable.shape))
        fields = random_fields(18)
        taken = {name: fields[name] for name in takes_of_model(model)}
        engine = tiny_engine(model, taken, 5, "dynamic")
        for step in (0, 3):
            engine.run(step, 3, {})
        return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def difference(strategy: tf.distribute.Strategy, kind: str) -> float:
    pairs = zip(*(trained(where, kind) for where in (None, strategy)), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


BATCH_NORMALISED = {"discriminator_normalisation": "batch", "r1_every_steps": 2}
"""Of a GAN; both halves of a batch are normalised together."""


def is_finite(data: Path, kind: str, **changes: Any) -> bool:
    """Returns whether a whole training, at constant learning rates, has finite numbers."""
    recorder = Recorder()
    job = tiny_job(data, kind, learning_rate_schedule="constant", **changes)
    training.fit(job, recorder)
    return all(np.isfinite(list(row.values())).all() for row in recorder.metrics.values())


def refused(data: Path) -> str:
    try:
        training.fit(tiny_job(data, "vae", batch_size=5), Recorder())
    except InputError as error:
        return str(error)
    return "nothing"


def main(data: Path, kinds: list[str]) -> None:
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    devices.configure("float32", deterministic=True)
    optimization.FUSED_SIZE = 10
    strategy = devices.strategy()
    values = {"num_devices": strategy.num_replicas_in_sync, "refused": refused(data)}
    with fixture_chapters():
        values["differences"] = {kind: difference(strategy, kind) for kind in kinds}
    if "gan" in kinds:
        values["finite"] = is_finite(data, "gan", network="convolutional", **BATCH_NORMALISED)
    else:
        values["finite"] = is_finite(data, "autoencoder", steps=2)
    print(json.dumps(values))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
