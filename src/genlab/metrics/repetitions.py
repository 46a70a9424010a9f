"""How many generated images repeat another one, byte by byte: real cameras and pens never do."""

from hashlib import blake2b

import numpy as np

from genlab.contract.evidence import Measure, Samples, Unavailable, Values

NEEDS = Samples
MEASURES = {
    "repeated_share": Measure("share of the generated images", "lower", "docs/metrics.md", (0, 1))
}


def compute(samples: Samples) -> Values:
    """Returns the share of the images that are equal to one before them."""
    return compute_parts(samples, samples.whole())[0]


def compute_parts(samples: Samples, kept: np.ndarray) -> list[Values]:
    """Returns the share in each part of the generated images, bool (parts, m)."""
    if samples.generated_images is None:
        raise Unavailable("the images are not given, only their features")
    sums = np.array([blake2b(image.tobytes()).hexdigest() for image in samples.generated_images])
    return [{"repeated_share": 1 - len(np.unique(sums[part])) / int(part.sum())} for part in kept]
