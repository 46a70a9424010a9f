"""What metrics are given, and what they say of their values."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np


class Measure(NamedTuple):
    """What one number means."""

    unit: str
    direction: Literal["lower", "higher", "none"]


@dataclass(frozen=True)
class Samples:
    """Generated images against real ones, as features (n, feature_dim) and predicted classes (n,)."""

    real_features: np.ndarray
    generated_features: np.ndarray
    real_classes: np.ndarray
    generated_classes: np.ndarray
    num_classes: int


@dataclass(frozen=True)
class Reconstructions:
    """Images and what a model made of them, float32 NHWC in [0, 1]."""

    images: np.ndarray
    reconstructions: np.ndarray


@dataclass(frozen=True)
class EvidenceBound:
    """The unweighted terms of the ELBO: -log p(image | latent), (n,) nats, and the KL, (n, latent_dim) nats."""

    reconstruction_losses: np.ndarray
    kls: np.ndarray


Evidence = Samples | Reconstructions | EvidenceBound
Protocol = dict[str, Any]
