"""Copies of train images in the pixels: also those that are moved by a pixel or two.

A classifier's features change when a digit is moved, so a moved copy is no copy to them. Here the
distance of two images is the smallest over all shifts of one of them (`genlab.numerics.shifts`). A
generated image is a copy where its nearest train image is at most a quarter as far as the median of
the most similar ones. After Yoon, Choi, Kwon and Ryu, "Diffusion Probabilistic Models Generalize
when They Fail to Memorize", ICML 2023 Workshop on Structured Probabilistic Inference and Generative
Modeling.

*Departure from the paper.* It compares with the second nearest image, and asks for a third. Train
images that occur twice would hide their copies, so here it is the median of 16; it is farther away.
"""

import numpy as np

from genlab.contract.evidence import Measure, Samples, Unavailable, Values, draw_order
from genlab.numerics import shifts
from genlab.settings import seeds

NEEDS = Samples
MEASURES = {
    "pixel_copied_share": Measure(
        "share of the generated images, 0 as held-out images",
        "lower",
        "after Yoon et al. 2023",
        (0, 1),
    )
}
SHARE_OF_DISTANCE = 1 / 4
MOST_IMAGES = 1000
"""Generated images that are looked at; a share of 0.02 then has a standard error of 0.004."""


def compute(samples: Samples) -> Values:
    """Returns the share among at most `MOST_IMAGES` random images."""
    return compute_parts(samples, samples.whole())[0]


def compute_parts(samples: Samples, kept: np.ndarray) -> list[Values]:
    """Returns the share in each part of the generated images, bool (parts, m)."""
    generated, train = samples.generated_images, samples.train_images
    if generated is None:
        raise Unavailable("the images are not given, only their features")
    if train is None or not len(train):
        raise Unavailable("the images that the model was trained on are not known")
    seed = seeds.derive(samples.seed, "pixel_copies")
    rows = draw_order(len(generated), samples.generated_rows, seed)[:MOST_IMAGES]
    kept = kept[:, rows]
    if not kept.any(axis=1).all():
        raise Unavailable("there are no generated images")
    distances = shifts.distances(generated[rows], train)
    is_copy = distances.min(axis=1) <= SHARE_OF_DISTANCE * np.median(distances, axis=1)
    return [{"pixel_copied_share": float(is_copy[part].mean())} for part in kept]
