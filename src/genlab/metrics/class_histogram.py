"""The classes of the samples, as a classifier sees them, against those of the real images.

A share is a class's part of the samples over its part of the real images: 1 where the model draws
it as often as it occurs, 0 where it has lost it. The distance is the total variation between the
two histograms.
"""

import math

import numpy as np

from genlab.contract.evidence import Measure, Samples, Values

NEEDS = Samples
UNIT = "ratio to the real share"
MEASURES = {
    "smallest_class_share": Measure(UNIT, "higher", "docs/metrics.md", (0, math.inf)),
    "largest_class_share": Measure(UNIT, "lower", "docs/metrics.md", (0, math.inf)),
    "class_histogram_distance": Measure(
        "total variation", "lower", "Levin and Peres 2017, section 4.1", (0, 1)
    ),
}


def compute(samples: Samples) -> Values:
    """Returns the smallest and the largest share and the distance."""
    samples.check_classes()
    real, generated = (
        np.bincount(classes, minlength=samples.num_classes) / len(classes)
        for classes in (samples.real_classes, samples.generated_classes)
    )
    shares = generated[real > 0] / real[real > 0]
    return {
        "smallest_class_share": float(shares.min()),
        "largest_class_share": float(shares.max()),
        "class_histogram_distance": float(np.abs(real - generated).sum() / 2),
    }
