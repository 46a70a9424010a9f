"""Trains on two logical CPU devices, which a process asks for before TensorFlow starts; prints what it saw as JSON."""

import contextlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from fixtures_models import Recorder, random_images, tiny_job, tiny_model

from genlab import training
from genlab.imaging.binarisation import Binarisation
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.training.engine import Engine
from genlab.training.feed import Resident


class Probe:
    """Writes down which images each device was given, and with which seed."""

    loss_names = ("loss",)

    def __init__(self) -> None:
        self.settings = SimpleNamespace(images_per_step=4, batch_size=4)

    def update(
        self, images: tf.Tensor, seed: tf.Tensor, optimizers: dict[str, Any]
    ) -> dict[str, tf.Tensor]:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        value = tf.py_function(self.remember, [seed, replica, images], tf.float32)
        value.set_shape(())
        return {"loss": value}

    def remember(self, seed: tf.Tensor, replica: tf.Tensor, images: tf.Tensor) -> float:
        CALLS.append(
            (
                seed.numpy().tolist(),
                int(replica),
                np.rint(images.numpy()[:, 0, 0, 0] * 255).astype(int).tolist(),
            )
        )
        return 0.0


CALLS: list[tuple[list[int], int, list[int]]] = []


def trained(strategy: tf.distribute.Strategy | None, kind: str, **changes: Any) -> list[np.ndarray]:
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = tiny_model(kind, **changes)
        if kind == "gan":
            for variable in model.average_generator.variables:
                variable.assign(tf.zeros(variable.shape))
        engine = Engine(model, model.make_optimizers(), Resident(random_images(18), 5), seed=5)
        engine.run(0, 6, {})
        return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def probed(
    strategy: tf.distribute.Strategy | None,
    images: np.ndarray,
    binarise: Binarisation = "none",
    steps: int = 2,
) -> list[tuple[list[int], int, list[int]]]:
    CALLS.clear()
    with strategy.scope() if strategy else contextlib.nullcontext():
        engine = Engine(Probe(), {}, Resident(images.reshape(-1, 1, 1, 1), 9), 9, binarise)
        engine.run(0, steps, {})
    return sorted(CALLS)


def fitted(data: Path, kind: str, **changes: Any) -> dict[str, Any]:
    job, recorder = tiny_job(data, kind, **changes), Recorder()
    training.fit(job, recorder)
    finite = all(np.isfinite(list(row.values())).all() for row in recorder.metrics.values())
    return {
        "finite": finite,
        "sampled": trained_model.load(job.folder / "result").sample(3, 0).shape,
    }


def refused(data: Path) -> str:
    try:
        training.fit(tiny_job(data, "vae", batch_size=5), Recorder())
    except InputError as error:
        return str(error)
    return "nothing"


def difference(ones: list[np.ndarray], others: list[np.ndarray]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(ones, others, strict=True))


def main(data: Path) -> None:
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    devices.configure("float32", deterministic=True)
    strategy = devices.strategy()
    one_device, two_devices = (
        probed(each, np.arange(10, dtype=np.uint8)) for each in (None, strategy)
    )
    grey = np.full(10, 128, np.uint8)
    drawn = [
        [value for *_, images in probed(each, grey, "dynamic", 8) for value in images]
        for each in (None, strategy)
    ]
    halves = [images for *_, images in two_devices]
    together = [halves[0] + halves[1], halves[2] + halves[3]]
    still = {
        "generator_learning_rate": 1e-30,
        "discriminator_learning_rate": 1e-30,
        "network": "dense",
    }
    found = {
        "num_devices": strategy.num_replicas_in_sync,
        "shares": [len(images) for images in halves[:2]],
        "same_images": together == [images for *_, images in one_device],
        "drawn": drawn,
        "seeds": [seed for seed, *_ in two_devices],
        "autoencoder_difference": difference(
            *(trained(each, "autoencoder", network="dense") for each in (None, strategy))
        ),
        "average_difference": difference(
            *(trained(each, "gan", **still) for each in (None, strategy))
        ),
        "vae": fitted(data, "vae", network="convolutional"),
        "gan_none": fitted(data, "gan", network="convolutional", discriminator_steps=2),
        "gan_batch": fitted(
            data,
            "gan",
            network="convolutional",
            discriminator_normalisation="batch",
            r1_every_steps=2,
        ),
        "refused": refused(data),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
