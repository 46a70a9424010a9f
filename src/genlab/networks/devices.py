"""Which devices compute, at which precision, and whether equal runs give equal bits."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf

from genlab.runtime.errors import InputError


def configure(precision: str, deterministic: bool) -> None:
    """Sets the precision of new layers, op determinism, and memory growth on GPUs; before the first computation.

    Raises:
        InputError: The devices cannot compute in `precision`.
    """
    check_precision(precision)
    keras.config.set_dtype_policy(precision)
    for device in tf.config.list_physical_devices("GPU"):
        if not tf.config.experimental.get_memory_growth(device):
            tf.config.experimental.set_memory_growth(device, True)
    if (
        kind() == "cpu"
    ):  # this pass fails on the GAN's graph, says so on every start, and gains nothing there: measured
        tf.config.optimizer.set_experimental_options({"remapping": False})
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def take_share(index: int, number: int) -> None:
    """Takes one of `number` equal shares of this machine; before the first computation.

    On a CPU that is a share of its cores; of GPUs it is one, which processes share where there are fewer: each takes
    memory as it needs it. A single share is the whole machine, and changes nothing.
    """
    if number == 1:
        return
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[index % len(gpus)], "GPU")
    threads = max(1, (os.cpu_count() or 1) // number)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


@contextmanager
def new_layers_in(precision: str) -> Iterator[None]:
    """Gives layers that are made in the block this precision, whatever is set for others."""
    policy = keras.config.dtype_policy().name
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def check_precision(precision: str) -> None:
    """Raises an InputError where the devices cannot compute in `precision`."""
    if precision == "mixed_float16" and kind() == "cpu":
        raise InputError(
            "precision must be float32 or mixed_bfloat16 on a CPU",
            "precision='mixed_float16'",
            "See params.yaml: training.precision",
        )


def kind() -> str:
    """Returns `"gpu"` where there is one, else `"cpu"`."""
    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"


def arithmetic() -> str:
    """Returns what a choice of precision depends on: `gpu`, `cpu_bfloat16` (products in hardware) or `cpu`."""
    facts = Path("/proc/cpuinfo")
    if (
        kind() == "cpu"
        and facts.is_file()
        and {"avx512_bf16", "amx_bf16"} & set(facts.read_text().split())
    ):
        return "cpu_bfloat16"
    return kind()


def count_and_kind() -> str:
    """Returns how many devices of which kind compute: `"2 x gpu"`. The bits of a result depend on it."""
    threads = (
        tf.config.threading.get_intra_op_parallelism_threads()
    )  # 0: as many as there are cores
    share = f", {threads} threads" if threads and kind() == "cpu" else ""
    return f"{num_processes() * len(tf.config.list_physical_devices(kind().upper()))} x {kind()}{share}"


def describe() -> str:
    """Returns the devices in words: `"2 x gpu (NVIDIA ...)"`."""
    devices = tf.config.list_physical_devices("GPU")
    name = (
        tf.config.experimental.get_device_details(devices[0]).get("device_name", "")
        if devices
        else ""
    )
    return count_and_kind() + (f" ({name})" if name else "")


# Several processes: TensorFlow's own TF_CONFIG says which there are and which one this is


@cache
def _cluster() -> tuple[int, int]:
    """Returns how many processes train together and the index of this one, 0 for the chief."""
    text = os.environ.get("TF_CONFIG")
    if not text:
        return 1, 0
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        chiefs = config["cluster"].get("chief", [])
        if set(config["cluster"]) - {"chief", "worker"} or task["type"] not in config["cluster"]:
            raise ValueError
        index = int(task["index"]) + (len(chiefs) if task["type"] == "worker" else 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            'TF_CONFIG must be {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}',
            str(text[:200]),
            "See the environment",
        ) from None
    return len(chiefs) + len(workers), index


def num_processes() -> int:
    """Returns how many processes train one model together."""
    return _cluster()[0]


def process_index() -> int:
    """Returns which of them this is, from 0."""
    return _cluster()[1]


def is_chief() -> bool:
    """Returns whether this process writes checkpoints, results and runs: of several, the first one."""
    return process_index() == 0


@cache
def strategy() -> tf.distribute.Strategy:
    """Returns how a step is shared: `MultiWorkerMirroredStrategy` where TF_CONFIG names several processes.

    Else `MirroredStrategy` over several logical GPUs, or several logical CPUs where there is no GPU; else none.
    TensorFlow gives one logical CPU unless the process asks for more, so on most machines this is no distribution.
    A process has one: a second would take the same numbers for its exchanges between devices, and they would collide.
    Several processes must ask for it before their first computation.
    """
    if num_processes() > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = [device.name for device in tf.config.list_logical_devices(kind().upper())]
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()
