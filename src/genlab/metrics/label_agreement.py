"""Does a conditional model draw what it is asked for? The share of samples of the asked class.

The class of a sample is what the classifier says, whose penultimate layer gives the features: as
the classification accuracy in Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018.
"""

import numpy as np

from genlab.contract.evidence import Measure, Samples, Unavailable, Values

NEEDS = Samples
MEASURES = {
    "label_agreement": Measure("share of the generated images", "higher", "docs/metrics.md", (0, 1))
}


def compute(samples: Samples) -> Values:
    """Returns the share of the generated images whose predicted class is the asked one."""
    if samples.asked_classes is None:
        raise Unavailable("no classes were asked for")
    samples.check_classes()
    agrees = samples.generated_classes == samples.asked_classes
    return {"label_agreement": float(np.mean(agrees))}
