"""Trunks of judges: what lies between the image and the layer of features.

Each takes images (n, height, width, channels) and widths from the image on, and returns (n, size).
They differ in what they can see, so that no flaw of samples is hidden from all of them.
"""

from collections.abc import Sequence
from typing import Any

from keras import layers

PATCHES_PER_SIDE = 4


def convolutional(images: Any, filters: Sequence[int]) -> Any:
    """Convolutions, each followed by a maximum over 2x2 pixels."""
    hidden = images
    for count in filters:
        hidden = layers.Conv2D(count, 3, padding="same", activation="relu")(hidden)
        hidden = layers.MaxPooling2D(2, padding="same")(hidden)
    return layers.Flatten()(hidden)


def strided(images: Any, filters: Sequence[int]) -> Any:
    """Convolutions that halve the image themselves: a tenth of the time."""
    hidden = images
    for count in filters:
        hidden = _halve(hidden, count)
    return layers.Flatten()(hidden)


def residual(images: Any, filters: Sequence[int]) -> Any:
    """Residual blocks (He et al. 2016) without normalisation, then means over 4x4 places."""
    hidden = _halve(images, filters[0])
    for index, count in enumerate(filters):
        strides = 2 if index else 1
        around = layers.Conv2D(count, 1, strides=strides, padding="same")(hidden)
        through = layers.Conv2D(count, 3, strides=strides, padding="same", activation="relu")(
            hidden
        )
        through = layers.Conv2D(count, 3, padding="same")(through)
        hidden = layers.ReLU()(layers.Add()([around, through]))
    return layers.Flatten()(layers.AveragePooling2D(4, padding="same")(hidden))


def patches(images: Any, filters: Sequence[int]) -> Any:
    """Sixteen patches of the image, each by itself through the same dense layers."""
    sides = [-(-side // PATCHES_PER_SIDE) for side in images.shape[1:3]]
    hidden = layers.Conv2D(filters[0], sides, strides=sides, padding="same", activation="relu")(
        images
    )
    for count in filters[1:]:
        hidden = layers.Conv2D(count, 1, activation="relu")(hidden)
    return layers.Flatten()(hidden)


def dense(images: Any, filters: Sequence[int]) -> Any:
    """Dense layers on all pixels."""
    hidden = layers.Flatten()(images)
    for count in filters:
        hidden = layers.Dense(count, activation="relu")(hidden)
    return hidden


def _halve(images: Any, count: int) -> Any:
    return layers.Conv2D(count, 3, strides=2, padding="same", activation="relu")(images)


TRUNKS = {trunk.__name__: trunk for trunk in (convolutional, strided, residual, patches, dense)}
"""By the names of `params.yaml: features.judges`."""
