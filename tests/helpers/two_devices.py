"""Trains on two logical CPU devices, which a process asks for before TensorFlow starts.

Prints as JSON what it saw.
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
    tiny_examples,
    tiny_job,
    tiny_model,
)

from genlab import training
from genlab.contract.steps import Batch, Losses, Optimizers, Phase, Step
from genlab.imaging.binarisation import Binarisation
from genlab.networks import devices, optimization
from genlab.runtime.errors import InputError
from genlab.training.engine import Engine

Call = tuple[list[int], int, list[int]]
CALLS: list[Call] = []
CLIPPED = {"network": "dense", "warmup_steps": 2, "gradient_clip_norm": 0.1}
CHANGES: dict[str, dict[str, Any]] = {
    "autoencoder": {"network": "dense"},
    "vae": CLIPPED | {"free_bits": 0.02, "kl_warmup_steps": 3},
    "gan": CLIPPED
    | {
        "discriminator_steps": 2,
        "prior": "uniform",
        "loss": "wasserstein_gp",
        "augmentations": ["colour", "translation", "cutout"],
    },
    "growing": {"steps": 3, "grown_steps": 3},
}


class Probe:
    """Writes down which images each device was given, and with which seed."""

    loss_names = ("loss",)

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        value = tf.py_function(self.remember, [step.seed, replica, batch["images"]], tf.float32)
        value.set_shape(())
        return {"loss": value}

    def remember(self, seed: tf.Tensor, replica: tf.Tensor, images: tf.Tensor) -> float:
        greys = np.rint(images.numpy()[:, 0, 0, 0] * 255).astype(int).tolist()
        CALLS.append((seed.numpy().tolist(), int(replica), greys))
        return 0.0


def probed(
    strategy: tf.distribute.Strategy | None,
    images: np.ndarray,
    binarise: Binarisation = "none",
    steps: int = 2,
) -> list[Call]:
    CALLS.clear()
    with strategy.scope() if strategy else contextlib.nullcontext():
        made = tiny_examples(images.reshape(-1, 1, 1, 1), 9, [Phase(steps, 4)])
        Engine(Probe(), {}, made, 9, binarise).run(0, steps, {})
    return sorted(CALLS)


def trained(strategy: tf.distribute.Strategy | None, kind: str) -> list[np.ndarray]:
    """Returns the weights after six steps; averaged ones have nothing of the start."""
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = tiny_model(kind, **CHANGES.get(kind, {}))
        for variable in model.average_generator.variables if kind == "gan" else []:
            variable.assign(tf.zeros(variable.shape))
        fields = random_fields(18)
        engine = tiny_engine(model, {name: fields[name] for name in takes_of_model(model)}, seed=5)
        for step in range(0, 6, 3):
            engine.run(step, 3, {})
        return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def difference(strategy: tf.distribute.Strategy, kind: str) -> float:
    pairs = zip(*(trained(where, kind) for where in (None, strategy)), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def batch_normalised_is_finite(data: Path) -> bool:
    changes = {"discriminator_normalisation": "batch", "r1_every_steps": 2}
    recorder = Recorder()
    training.fit(tiny_job(data, "gan", network="convolutional", **changes), recorder)
    return all(np.isfinite(list(row.values())).all() for row in recorder.metrics.values())


def refused(data: Path) -> str:
    try:
        training.fit(tiny_job(data, "vae", batch_size=5), Recorder())
    except InputError as error:
        return str(error)
    return "nothing"


def shared(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Returns how two devices share what a model is given."""
    numbered, grey = np.arange(10, dtype=np.uint8), np.full(10, 128, np.uint8)
    one_device, two_devices = (probed(where, numbered) for where in (None, strategy))
    halves = [images for *_, images in two_devices]
    together = [halves[0] + halves[1], halves[2] + halves[3]]
    return {
        "num_devices": strategy.num_replicas_in_sync,
        "shares": [len(images) for images in halves],
        "same_images": together == [images for *_, images in one_device],
        "seeds": [seed for seed, *_ in two_devices],
        "drawn": [
            [value for *_, images in probed(where, grey, "dynamic", 8) for value in images]
            for where in (None, strategy)
        ],
    }


def main(data: Path, kinds: list[str]) -> None:
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    devices.configure("float32", deterministic=True)
    optimization.FUSED_SIZE = 10
    strategy = devices.strategy()
    values = shared(strategy) | {"refused": refused(data)}
    with fixture_chapters():
        values["differences"] = {kind: difference(strategy, kind) for kind in kinds}
    if "gan" in kinds:
        values["finite"] = batch_normalised_is_finite(data)
    print(json.dumps(values))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
