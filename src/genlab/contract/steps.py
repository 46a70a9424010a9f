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
        seed: Of all that is drawn in this step, int32 (2,).
        number: Steps made before, int64 ().
        phase: Index of the present phase, a Python number: each phase has a graph of its own.
    """

    seed: "tf.Tensor"
    number: "tf.Tensor"
    phase: int = 0


class Phase(NamedTuple):
    """A part of a training in which all shapes are fixed.

    Attributes:
        steps: At least 1.
        batch_size: Examples per batch, shared equally by all devices.
        batches_per_step: Batches that one step takes: a discriminator's steps each see their own.
    """

    steps: int
    batch_size: int
    batches_per_step: int = 1

    @property
    def images_per_step(self) -> int:
        """Examples that one step takes."""
        return self.batch_size * self.batches_per_step


class Model(Protocol):
    """What every model is: a `keras.Model` that can make a training step.

    Attributes:
        settings: As its chapter's `Settings`.
        takes: The fields of a batch that it needs; `images` is always among them.
        loss_names: Of what `update` returns.
    """

    settings: Any
    takes: tuple[str, ...]
    loss_names: tuple[str, ...]

    @property
    def variables(self) -> list[Any]:
        """All weights, in an order that does not change."""

    @property
    def trainable_variables(self) -> list[Any]:
        """The weights that have gradients."""

    def make_optimizers(self) -> Optimizers:
        """Returns the optimizers, built on their variables."""

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        """Makes one training step and returns the losses in `loss_names`."""

    def get_weights(self) -> list[Any]:
        """Returns the values of all weights."""

    def save_weights(self, filepath: Any) -> None:
        """Writes the weights, HDF5."""

    def load_weights(self, filepath: Any) -> None:
        """Reads the weights."""
