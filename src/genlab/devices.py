"""Which devices compute, at which precision, and whether equal runs give equal bits."""

from functools import cache

import keras
import tensorflow as tf

from genlab.errors import InputError


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
    if kind() == "cpu":  # this pass fails on the GAN's graph, says so on every start, and gains nothing there: measured
        tf.config.optimizer.set_experimental_options({"remapping": False})
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def check_precision(precision: str) -> None:
    """Raises an InputError where the devices cannot compute in `precision`."""
    if precision == "mixed_float16" and kind() == "cpu":
        raise InputError(
            "precision must be float32 or mixed_bfloat16 on a CPU. Received: precision='mixed_float16'. "
            "See params.yaml: training.precision."
        )


def kind() -> str:
    """Returns `"gpu"` where there is one, else `"cpu"`."""
    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"


def count_and_kind() -> str:
    """Returns how many devices of which kind compute: `"2 x gpu"`. The bits of a result depend on it."""
    return f"{len(tf.config.list_physical_devices(kind().upper()))} x {kind()}"


def describe() -> str:
    """Returns the devices in words: `"2 x gpu (NVIDIA ...)"`."""
    devices = tf.config.list_physical_devices("GPU")
    name = tf.config.experimental.get_device_details(devices[0]).get("device_name", "") if devices else ""
    return count_and_kind() + (f" ({name})" if name else "")


@cache
def strategy() -> tf.distribute.Strategy:
    """Returns `MirroredStrategy` over several logical GPUs, or several logical CPUs where there is no GPU; else none.

    TensorFlow gives one logical CPU unless the process asks for more, so on most machines this is no distribution.
    A process has one: a second would take the same numbers for its exchanges between devices, and they would collide.
    """
    devices = [device.name for device in tf.config.list_logical_devices(kind().upper())]
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()
