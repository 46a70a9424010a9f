"""Black-and-white images from grey ones: a pixel is white with a probability of its grey value.

Salakhutdinov and Murray, "On the Quantitative Analysis of Deep Belief Networks", ICML 2008; drawn
again in every step as by Burda et al., ICLR 2016. On such images a Bernoulli likelihood is a
probability, so its nats compare with published ones.
"""

from hashlib import shake_256
from typing import Literal

import numpy as np
import tensorflow as tf
from scipy.special import entr

Binarisation = Literal["none", "dynamic"]
SALT = b"genlab binarisation 1"
"""Draws of images to score depend on this and the image alone, not on model, seed or split."""


def draw(images: tf.Tensor, places: tf.Tensor, num_places: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns draws of 0 and 1 whose means are the images' grey values, float32 as `images`.

    Args:
        images: float32 in [0, 1], (n, height, width, channels).
        places: Of these images among all images of the step, (n,): the draw of an image depends on
            its place, not on the number of devices.
        num_places: Images in the whole step.
        seed: Of the step, (2,).
    """
    levels = tf.random.stateless_uniform((num_places, *images.shape[1:]), seed)  # in [0, 1)
    return tf.cast(tf.gather(levels, places) < images, tf.float32)


def fixed(images: np.ndarray) -> np.ndarray:
    """Returns one draw of each uint8 image (n, ...), of 0 and 255, by the image's bytes alone.

    A pixel is white if its 32 bits of SHAKE-256 (of `SALT` and the image) are below its grey
    value's share of 2^32. Without a generator the draw is the same in every version of NumPy.
    """
    return np.stack([_fix(image) for image in images]) if len(images) else np.asarray(images)


def _fix(image: np.ndarray) -> np.ndarray:
    stream = shake_256(SALT + image.tobytes()).digest(4 * image.size)
    levels = np.frombuffer(stream, "<u4").astype(np.uint64)
    white = levels * np.uint64(255) < image.ravel().astype(np.uint64) << np.uint64(32)
    return np.where(white, np.uint8(255), np.uint8(0)).reshape(image.shape)


def entropies(images: np.ndarray) -> np.ndarray:
    """Returns the entropy of the draws of each image (n, ...) in [0, 1], float64 (n,) nats.

    No decoder's Bernoulli loss of a grey image is lower; of black and white it is 0.
    """
    grey = images.reshape(len(images), -1).astype(np.float64)
    return (entr(grey) + entr(1 - grey)).sum(axis=1)


def as_seen(images: np.ndarray, binarisation: str) -> np.ndarray:
    """Returns uint8 images as a model trained with this `data.binarisation` is scored on them."""
    return fixed(images) if binarisation == "dynamic" else images
