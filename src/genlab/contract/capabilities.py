"""What a model can do besides a training step. Shared code asks `isinstance(model, Generates)`.

Images are float32 (n, height, width, channels) in [0, 1].
"""

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from genlab.contract.steps import Batch, Losses, Optimizers

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@runtime_checkable
class Generates(Protocol):
    """Maps noise and given fields to images.

    Attributes:
        given: The fields that it is given: () unconditional, ("labels",) or ("inputs",).
        noise_shape: Shape of one example's noise: (64,) a latent, (28, 28, 1) a flow's, () where
            the model draws no noise.
        prior: The noise's distribution: `normal`, or `uniform` on [-1, 1).
    """

    given: tuple[str, ...]
    noise_shape: tuple[int, ...]
    prior: Literal["normal", "uniform"]

    def generate(self, noise: "tf.Tensor", given: Batch) -> "tf.Tensor":
        """Returns one image per row of noise (n, *noise_shape) and of each given field."""


@runtime_checkable
class Encodes(Protocol):
    """Maps images to latents and back; the composition is the reconstruction."""

    latent_dim: int

    def encode(self, images: "tf.Tensor") -> "tf.Tensor":
        """Returns the latents (n, latent_dim); the means where there is a posterior."""

    def decode(self, latents: "tf.Tensor") -> "tf.Tensor":
        """Returns the images of latents (n, latent_dim)."""


@runtime_checkable
class HasPosterior(Encodes, Protocol):
    """Encodes an image as a Gaussian with a diagonal covariance."""

    def posterior(self, images: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        """Returns mean and log-variance, each (n, latent_dim)."""

    def draw_posterior(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Returns one draw from each posterior, (n, latent_dim)."""

    def elbo_terms(self, images: "tf.Tensor", seed: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        """Returns -log p(image | latent) at one draw, (n,), and the KL, (n, latent_dim): nats."""


@runtime_checkable
class HasLikelihood(Protocol):
    """Estimates the log-likelihood of images.

    Attributes:
        likelihood_mean: What to average over several estimates of one image. `probabilities`: the
            mean of their exponentials is unbiased (importance sampling). `logarithms`: the mean of
            the estimates is (change of variables).
    """

    likelihood_mean: Literal["probabilities", "logarithms"]

    def log_likelihoods(
        self, images: "tf.Tensor", num_samples: int, seed: "tf.Tensor"
    ) -> "tf.Tensor":
        """Returns independent estimates of log p(image), (n, num_samples) nats."""


@runtime_checkable
class Classifies(Protocol):
    """Predicts the class of an image."""

    def class_logits(self, images: "tf.Tensor") -> "tf.Tensor":
        """Returns logits, (n, number of classes)."""


@runtime_checkable
class HasEncoderNetwork(Protocol):
    """Has an encoder to fine-tune as a classifier; its first output is the latents."""

    encoder: "keras.Model"


@runtime_checkable
class Validated(Protocol):
    """Computes losses on images that it does not learn from."""

    def compute_losses(self, batch: Batch, seed: "tf.Tensor") -> Losses:
        """Returns losses by name; any of them may be monitored."""


@runtime_checkable
class Diagnosed(Protocol):
    """Reports further numbers at each validation."""

    def diagnostics(self, batch: Batch) -> Losses:
        """Returns numbers by name; any of them may be monitored."""


@runtime_checkable
class ChecksLosses(Protocol):
    """Recognises impossible values of its losses."""

    def check_losses(self, losses: dict[str, float]) -> None:
        """Raises a FloatingPointError if a mean loss is impossible."""


@runtime_checkable
class AveragesWeights(Protocol):
    """Keeps a moving average of its weights."""

    def average_weights(self, number: "tf.Tensor") -> None:
        """Updates the average after the step `number`, outside the replicas."""


@runtime_checkable
class Grows(Protocol):
    """Has several phases. All variables exist from the start; the current level is a saved one."""

    def begin(self, phase: int, optimizers: Optimizers) -> None:
        """Prepares a phase, once, before its first step: sets the level, may reset moments."""
