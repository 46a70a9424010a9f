"""The classes of the samples, as a classifier of the domain sees them, against the classes of the real images.

A share is a class's part of the samples over its part of the real images: 1 where the model draws it as often as it
occurs, 0 where it has lost it. The distance is the total variation between the two histograms.
"""

import numpy as np

from genlab.measurement.evidence import Measure, Samples, Unavailable, Values

NEEDS = Samples
MEASURES = {
    "smallest_class_share": Measure("ratio to the real share", "higher", "docs/metrics.md"),
    "largest_class_share": Measure("ratio to the real share", "lower", "docs/metrics.md"),
    "class_histogram_distance": Measure(
        "total variation", "lower", "Levin and Peres 2017, section 4.1"
    ),
}


def compute(samples: Samples) -> Values:
    """Returns the smallest and the largest share and the distance.

    Raises:
        Unavailable: The images have no classes.
    """
    if samples.num_classes < 2:
        raise Unavailable("the images have no classes")
    real = histogram(samples.real_classes, samples.num_classes) / len(samples.real_classes)
    generated = histogram(samples.generated_classes, samples.num_classes) / len(
        samples.generated_classes
    )
    shares = generated[real > 0] / real[real > 0]
    return {
        "smallest_class_share": float(shares.min()),
        "largest_class_share": float(shares.max()),
        "class_histogram_distance": float(np.abs(real - generated).sum() / 2),
    }


def histogram(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns how often each class occurs: int64 (num_classes,)."""
    return np.bincount(classes, minlength=num_classes)
