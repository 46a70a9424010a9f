"""What a feature extractor offers."""

from typing import Any, NamedTuple, Protocol

import numpy as np


class Extracted(NamedTuple):
    """Features, float32 (n, feature_dim), and predicted classes, int64 (n,)."""

    features: np.ndarray
    classes: np.ndarray


class Extractor(Protocol):
    """A network of fixed weights.

    Attributes:
        settings: What is known of it: `task` and `weights_sha256` at least.
        is_scaled: Whether its features are scaled before anything is measured on them.
    """

    settings: dict[str, Any]
    is_scaled: bool

    @property
    def num_classes(self) -> int:
        """Classes of the images; 0 where the network does not know them."""

    def extract(self, images: np.ndarray) -> Extracted:
        """Returns the features and the predicted classes of uint8 images NHWC."""
