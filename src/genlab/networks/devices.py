"""Which devices compute, in which precision, and whether equal runs give equal bits."""

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
    """Sets the precision of new layers, determinism, and memory growth on GPUs.

    Must be called before the first computation.

    Raises:
        InputError: The devices cannot compute in `precision`.
    """
    check_precision(precision)
    keras.config.set_dtype_policy(precision)
    for device in tf.config.list_physical_devices("GPU"):
        if not tf.config.experimental.get_memory_growth(device):
            tf.config.experimental.set_memory_growth(device, True)
    if kind() == "cpu":  # this pass fails on the GAN's graph with a message, and gains nothing
        tf.config.optimizer.set_experimental_options({"remapping": False})
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def take_share(index: int, number: int) -> None:
    """Limits this process to one of `number` equal shares of the machine.

    On a CPU a share is a part of the cores; with GPUs it is one GPU, used by several processes if
    there are fewer GPUs than shares. Must be called before the first computation.
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
    """Gives layers that are made inside the block this precision."""
    policy = keras.config.dtype_policy().name
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def check_precision(precision: str) -> None:
    """Raises an InputError if the devices cannot compute in `precision`."""
    if precision == "mixed_float16" and kind() == "cpu":
        raise InputError(
            "precision must be float32 or mixed_bfloat16 on a CPU",
            "precision='mixed_float16'",
            "See params.yaml: training.precision",
        )


def kind() -> str:
    """Returns `"gpu"` if there is one, else `"cpu"`."""
    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"


def arithmetic() -> str:
    """Returns `gpu`, `cpu_bfloat16` (with products in hardware) or `cpu`: `auto` depends on it."""
    path = Path("/proc/cpuinfo")
    flags = set(path.read_text().split()) if path.is_file() else set()
    has_bfloat16 = not flags.isdisjoint({"avx512_bf16", "amx_bf16"})
    return "cpu_bfloat16" if kind() == "cpu" and has_bfloat16 else kind()


def count_and_kind() -> str:
    """Returns number and kind of the devices: `"2 x gpu"`. The bits of a result depend on it."""
    threads = tf.config.threading.get_intra_op_parallelism_threads()  # 0: one per core
    suffix = f", {threads} threads" if threads and kind() == "cpu" else ""
    number = num_processes() * len(tf.config.list_physical_devices(kind().upper()))
    return f"{number} x {kind()}{suffix}"


def describe() -> str:
    """Returns the devices in words: `"2 x gpu (NVIDIA ...)"`."""
    devices = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(devices[0]) if devices else {}
    name = details.get("device_name", "")
    return count_and_kind() + (f" ({name})" if name else "")


@cache
def _cluster() -> tuple[int, int]:
    """Returns the number of processes in TensorFlow's TF_CONFIG and this one's index, 0: chief."""
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
            'TF_CONFIG must be {"cluster": {"worker": ["host:port", ...]}, '
            '"task": {"type": "worker", "index": 0}}',
            text[:200],
            "See the environment",
        ) from None
    return len(chiefs) + len(workers), index


def num_processes() -> int:
    """Returns the number of processes that train one model together."""
    return _cluster()[0]


def process_index() -> int:
    """Returns the index of this process among them."""
    return _cluster()[1]


def is_chief() -> bool:
    """Returns whether this process writes checkpoints, results and runs: only the first does."""
    return process_index() == 0


@cache
def strategy() -> tf.distribute.Strategy:
    """Returns how devices share a step; several processes must call this before they compute.

    `MultiWorkerMirroredStrategy` for several processes, else `MirroredStrategy` for several logical
    GPUs, or CPUs where there is no GPU, else TensorFlow's default. A process has one strategy: two
    would number their exchanges between devices alike, and collide.
    """
    if num_processes() > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = [device.name for device in tf.config.list_logical_devices(kind().upper())]
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()
