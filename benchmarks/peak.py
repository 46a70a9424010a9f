"""The machine's peak and a model's work: `python -m benchmarks.peak --precision float32`.

The peak is the fastest square matrix product in TensorFlow. A model's work is counted from its
layers: 2 FLOP per multiplication of a fully connected layer, a convolution or a transposed
convolution, border included. Activations, normalisation, losses, random numbers and Adam are not
counted.
"""

import json
import math
import time
from collections.abc import Callable
from typing import Any

import click
import keras
import tensorflow as tf
from keras import layers

from benchmarks import workloads
from benchmarks.contestant import PRECISIONS

SIZES = (512, 1024, 2048, 4096)
SECONDS_PER_SIZE = 1.0


def measure(precision: str) -> float:
    """Returns the FLOP per second of the fastest of `SIZES`, the best call of each."""
    dtype = tf.bfloat16 if precision == "mixed_bfloat16" else tf.float32
    return max(2 * size**3 / _seconds(size, dtype) for size in SIZES)


def _seconds(size: int, dtype: tf.DType) -> float:
    left, right = (tf.cast(tf.random.normal((size, size)), dtype) for _ in range(2))
    multiply: Callable[[], tf.Tensor] = tf.function(lambda: tf.matmul(left, right), autograph=False)
    multiply()
    best, until = math.inf, time.perf_counter() + SECONDS_PER_SIZE
    while time.perf_counter() < until:
        called = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - called)
    return best


def layer_flop(layer: layers.Layer) -> int:
    """Returns the FLOP of one layer for one image, forward."""
    if isinstance(layer, layers.Dense):
        return 2 * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Conv2DTranspose):  # a product per input pixel and kernel weight
        return 2 * math.prod(layer.kernel.shape) * math.prod(layer.input.shape[1:3])
    if isinstance(layer, layers.Conv2D):
        return 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
    return 0


def network_flop(network: keras.Model) -> tuple[int, int]:
    """Returns the FLOP for one image, forward: of the network, and of its first layer with any."""
    counts = [count for count in map(layer_flop, network.layers) if count]
    return sum(counts), counts[0]


def step_flop(model: Any) -> int:
    """Returns the FLOP of one training step per image.

    Forward, then twice as much backward, for the gradients of weights and inputs. Images need no
    gradient: the first layer on them saves one. An adversarial step: the generator forward; the
    discriminator on images and on fakes, with gradients of its weights; again on the fakes, with
    gradients of its inputs only; the generator backward, whose first layer saves one.
    """
    if not workloads.is_adversarial(model):
        encoder, first = network_flop(model.encoder)
        return 3 * (encoder + network_flop(model.decoder)[0]) - first
    generator, generator_first = network_flop(model.generator)
    discriminator, first = network_flop(model.discriminator)
    return 3 * generator - generator_first + 2 * (3 * discriminator - first) + 2 * discriminator


@click.command()
@click.option("--precision", type=click.Choice(PRECISIONS), default="float32")
def main(precision: str) -> None:
    """Prints the peak and each model's work as one line of JSON."""
    work = {name: step_flop(workloads.build(name)) for name in workloads.ENTRIES}
    print(json.dumps({"peak_flop_per_second": measure(precision), "flop_per_image": work}))


if __name__ == "__main__":
    main()
