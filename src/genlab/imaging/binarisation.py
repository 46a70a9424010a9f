"""Black-and-white images from grey ones: each pixel is white with the probability that its grey value is.

Salakhutdinov and Murray, "On the Quantitative Analysis of Deep Belief Networks", ICML 2008; drawn anew in every step as
by Burda et al., ICLR 2016. On such images a Bernoulli likelihood is a probability, so that its nats can be compared.
"""

from hashlib import shake_256
from typing import Literal

import numpy as np
import tensorflow as tf

Binarisation = Literal["none", "dynamic"]
SALT = b"genlab binarisation 1"
"""What images to score are drawn from, beside their own bytes: the same for every model, seed and split."""


def draw(images: tf.Tensor, places: tf.Tensor, num_places: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns draws of 0 and 1 whose means are the images' grey values, float32 (n, height, width, channels).

    Args:
        images: float32 in [0, 1].
        places: Of these images in the whole step's, (n,): each draws by its place, on any number of devices.
        num_places: Images in the whole step.
        seed: Of the step, (2,).
    """
    levels = tf.random.stateless_uniform((num_places, *images.shape[1:]), seed)  # in [0, 1)
    return tf.cast(tf.gather(levels, places) < images, tf.float32)


def fixed(images: np.ndarray) -> np.ndarray:
    """Returns one draw of each uint8 image (n, ...), uint8 of 0 and 255, that depends on the image's bytes alone.

    A pixel is white where its 32 bits of SHAKE-256 (of `SALT` and the image) are below its grey value's share of 2^32:
    no generator, so that it is the same in every version of every library.
    """
    return np.stack([_fix(image) for image in images]) if len(images) else np.asarray(images)


def _fix(image: np.ndarray) -> np.ndarray:
    levels = np.frombuffer(shake_256(SALT + image.tobytes()).digest(4 * image.size), "<u4").astype(
        np.uint64
    )
    white = levels * np.uint64(255) < image.ravel().astype(np.uint64) << np.uint64(32)
    return np.where(white, np.uint8(255), np.uint8(0)).reshape(image.shape)


def as_seen(images: np.ndarray, binarisation: str) -> np.ndarray:
    """Returns uint8 images as a model that was trained with `data.binarisation` is validated and scored on them."""
    return fixed(images) if binarisation == "dynamic" else images
