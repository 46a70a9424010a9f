"""Values that the tests of other projects assert, beside ours on the same inputs.

Only numbers were taken, with the tolerance that the other test allows. Where it computes the
expected value by a formula of its own, that formula was worked out once with SciPy: `by formula`.
Run by hand, it prints the table:

PYTHONPATH=src python tests/agreement/peers.py
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from genlab.contract.evidence import Samples
from genlab.metrics import kernel_distance, precision_recall
from genlab.models import vae
from genlab.networks import adversarial
from genlab.networks.normalisation import BatchNormalization
from genlab.numerics import gaussians
from genlab.numerics.gaussians import Moments

TF_GAN, COMPARE_GAN = "TF-GAN", "compare_gan"
DISENTANGLEMENT, TORCH_FIDELITY = "disentanglement_lib", "torch-fidelity"
REAL, FAKE = tf.constant([-5.0, 1.4, 12.5, 2.7]), tf.constant([10.0, 4.4, -5.5, 3.6])
SMOOTHING = 0.125
"""TF-GAN's default of 0.25, which mixes the label with 1/2: for ones that is half of ours."""
AT_ONE = float(np.log1p(np.exp(-1)))
"""TF-GAN's minimax generator also has the discriminator's loss for a real image of logit 1."""


class Case(NamedTuple):
    """One asserted value: of which project and test, how near ours must be, and ours."""

    project: str
    test: str
    theirs: float
    tolerance: float
    ours: Callable[[], float]


def normal(seed: int, *shapes: tuple[int, int]) -> list[np.ndarray]:
    """Returns arrays that NumPy draws after `np.random.seed(seed)`, float32."""
    state = np.random.RandomState(seed)
    return [state.randn(*shape).astype(np.float32) for shape in shapes]


def discriminator(name: str, smoothing: float = 0.0) -> Callable[[], float]:
    return lambda: float(adversarial.LOSSES[name].discriminator(REAL, FAKE, smoothing))


def generator(name: str) -> Callable[[], float]:
    return lambda: float(adversarial.LOSSES[name].generator(FAKE))


def penalty() -> float:
    """Of a function that doubles its four inputs."""
    fakes, images = (
        tf.reshape(tf.constant(row), (1, 1, 4, 1))
        for row in ([3.1, 2.3, -12.3, 32.1], [-12.3, 23.2, 16.3, -43.2])
    )
    seed = tf.constant([1, 2])
    return float(adversarial.gradient_penalty(lambda x: 2 * x, images, fakes, seed))


def of_random_features() -> float:
    first, second = normal(0, (512, 256), (512, 256))
    return gaussians.frechet_distance_of_features(first, second)


def kernel_of_random_features() -> float:
    state = np.random.RandomState(0)
    first = np.float32(state.randn(512, 256))
    second = np.float32(state.randn(512, 256) * 1.1 + 0.05)
    return kernel_distance.squared_discrepancy(first, second)


def of_singular_covariances() -> float:
    real, generated = np.ones((100, 2)), np.full((100, 2), 9.0)
    real[:50, 0], generated[50:, 0] = 2, 2
    return gaussians.frechet_distance_of_features(real, generated)


def from_uncorrelated(covariance: np.ndarray) -> float:
    zeros = np.zeros(len(covariance))
    diagonal = np.diag(np.diag(covariance))
    return gaussians.frechet_distance(Moments(zeros, covariance), Moments(zeros, diagonal))


def divergence(mean: float, log_variance: float) -> float:
    """Of ten dimensions from the standard normal distribution."""
    values = (tf.fill((10, 10), value) for value in (mean, log_variance))
    return float(tf.reduce_mean(tf.reduce_sum(vae.kl_per_dimension(*values), axis=1)))


IMAGES = [
    [[[5, 7, 2]], [[5, 8, 8]]],
    [[[1, 2, 0]], [[4, 0, 4]]],
    [[[6, 2, 6]], [[5, 0, 5]]],
    [[[2, 4, 2]], [[6, 4, 1]]],
]


def normalised(*place: int) -> float:
    outputs = BatchNormalization(epsilon=1e-3)(tf.constant(IMAGES, tf.float32), training=True)
    return float(outputs[place])


def collapsed(name: str) -> float:
    """Of a narrow cluster of 200 features within a wide one."""
    generated, real = normal(42, (200, 16), (200, 16))
    classes = np.zeros(200, np.int64)
    samples = Samples(3.0 * real, 0.1 * generated, classes, classes, 0)
    return precision_recall.compute(samples, precision_recall.Settings(num_neighbours=3))[name]


CASES = [
    Case(TF_GAN, "least squares, generator", 17.69625, 1e-5, generator("least_squares")),
    Case(TF_GAN, "least squares, discriminator", 41.73375, 1e-5, discriminator("least_squares")),
    Case(
        TF_GAN, "modified (non-saturating), generator", 1.38582, 1e-5, generator("non_saturating")
    ),
    Case(
        TF_GAN,
        "modified, discriminator, smoothed",
        6.19637,
        1e-5,
        discriminator("non_saturating", SMOOTHING),
    ),
    Case(TF_GAN, "minimax, generator", -4.82408 + AT_ONE, 1e-5, generator("minimax")),
    Case(
        TF_GAN,
        "minimax, discriminator, smoothed",
        6.19637,
        1e-5,
        discriminator("minimax", SMOOTHING),
    ),
    Case(TF_GAN, "Wasserstein, generator", -3.125, 1e-5, generator("wasserstein_gp")),
    Case(TF_GAN, "Wasserstein, discriminator", 0.225, 1e-5, discriminator("wasserstein_gp")),
    Case(TF_GAN, "hinge, generator", -3.125, 1e-5, generator("hinge")),
    Case(TF_GAN, "hinge, discriminator", 6.75, 1e-5, discriminator("hinge")),
    Case(TF_GAN, "gradient penalty", 9.0, 1e-5, penalty),
    Case(TF_GAN, "Fréchet distance, by formula", 65.742723650, 1e-4 * 65.7, of_random_features),
    Case(TF_GAN, "kernel distance, by formula", 0.0083886148, 1e-3, kernel_of_random_features),
    Case(COMPARE_GAN, "Fréchet distance, singular", 89.091, 1e-4, of_singular_covariances),
    Case(
        COMPARE_GAN,
        "batch norm, image 0, channel 0",
        0.4375205,
        1e-6,
        lambda: normalised(0, 0, 0, 0),
    ),
    Case(
        COMPARE_GAN,
        "batch norm, image 1, channel 2",
        0.19610107,
        1e-6,
        lambda: normalised(1, 1, 0, 2),
    ),
    Case(
        COMPARE_GAN,
        "batch norm, image 3, channel 1",
        0.22471881,
        1e-6,
        lambda: normalised(3, 1, 0, 1),
    ),
    Case(DISENTANGLEMENT, "KL of N(0, 1)", 0.005, 0.005, lambda: divergence(0.0, 0.0)),
    Case(DISENTANGLEMENT, "KL of N(1, 1)", 5.005, 0.005, lambda: divergence(1.0, 0.0)),
    Case(DISENTANGLEMENT, "KL of N(1, e)", 8.59, 0.01, lambda: divergence(1.0, 1.0)),
    Case(
        DISENTANGLEMENT,
        "Wasserstein distance to no correlation, none",
        0.0,
        0.01,
        lambda: from_uncorrelated(np.eye(5)),
    ),
    Case(
        DISENTANGLEMENT,
        "Wasserstein distance to no correlation, 0.9, by formula",
        0.610734,
        0.01,
        lambda: from_uncorrelated(np.array([[1, 0.9], [0.9, 1]])),
    ),
    Case(
        TORCH_FIDELITY,
        "precision of a collapsed set, above 0.8",
        0.9,
        0.1,
        lambda: collapsed("precision"),
    ),
    Case(
        TORCH_FIDELITY,
        "recall of a collapsed set, below 0.3",
        0.15,
        0.15,
        lambda: collapsed("recall"),
    ),
]


def main() -> None:
    """Prints a row per case."""
    print("| value | ours | theirs | difference | asserted to | by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for project, test, theirs, tolerance, compute in CASES:
        ours = compute()
        numbers = f"{ours:.8g} | {theirs:.8g} | {abs(ours - theirs):.1e} | {tolerance:.2g}"
        print(f"| {test} | {numbers} | {project} |")


if __name__ == "__main__":
    main()
