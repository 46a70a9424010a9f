"""What training hands to a model, and what it asks of every model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Batch = Mapping[str, "tf.Tensor"]
"""By field a tensor (n, *shape): images float32 in [0, 1], labels int32, factors float32."""
Losses = dict[str, "tf.Tensor"]
"""Scalars by name; sums over pixels and latent dimensions, means over the batch."""
Optimizers = dict[str, "keras.optimizers.Optimizer"]


class Step(NamedTuple):
    """One step of training.

    Attributes:
        seed: Seed of every draw in this step, int32 (2,).
        number: Number of earlier steps, int64 ().
        phase: Index of the current phase, a Python number: each phase has its own graph.
    """

    seed: "tf.Tensor"
    number: "tf.Tensor"
    phase: int = 0


class Phase(NamedTuple):
    """A part of a training in which all shapes are fixed.

    Attributes:
        steps: At least 1.
        batch_size: Examples per batch, shared equally by all devices.
        batches_per_step: Batches in one step. A GAN uses one for each discriminator update.
    """

    steps: int
    batch_size: int
    batches_per_step: int = 1

    @property
    def images_per_step(self) -> int:
        """Examples in one step."""
        return self.batch_size * self.batches_per_step


class Model(Protocol):
    """Every model: a `keras.Model` that can make a training step.

    Attributes:
        settings: Its chapter's `Settings`.
        loss_names: Names of the losses that `update` returns.
    """

    settings: Any
    loss_names: tuple[str, ...]

    @property
    def variables(self) -> list[Any]:
        """All weights, in a fixed order."""

    @property
    def trainable_variables(self) -> list[Any]:
        """The weights that are trained."""

    def make_optimizers(self) -> Optimizers:
        """Returns the optimizers, built on their variables."""

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        """Makes one training step and returns the losses in `loss_names`."""

    def get_weights(self) -> list[Any]:
        """Returns the values of all weights."""

    def save_weights(self, filepath: Any) -> None:
        """Writes the weights to an HDF5 file."""

    def load_weights(self, filepath: Any) -> None:
        """Reads the weights."""
