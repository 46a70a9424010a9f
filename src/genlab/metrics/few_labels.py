"""What a trained encoder is worth where few images have labels: fine-tuned as a classifier, against random weights.

The same network begins with random weights and is trained on the same images for as many steps. After the
semi-supervised evaluation in Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations",
ICML 2020: fine-tuning on a share of the labels.
"""

import numpy as np

from genlab.measurement.evidence import FewLabels, Measure, Values

NEEDS = FewLabels
REFERENCE = "Chen et al. 2020"
MEASURES = {
    "fine_tuned_accuracy": Measure("share of the test images", "higher", REFERENCE),
    "from_scratch_accuracy": Measure("share of the test images", "none", REFERENCE),
    "few_labels_gain": Measure("share of the test images", "higher", REFERENCE),
}


def compute(evidence: FewLabels) -> Values:
    """Returns of each test image whether either classifier told its class, 0 or 1, and the difference: (n,) each."""
    fine_tuned, from_scratch = (
        (predicted == evidence.labels).astype(np.float64)
        for predicted in (evidence.fine_tuned, evidence.from_scratch)
    )
    return {
        "fine_tuned_accuracy": fine_tuned,
        "from_scratch_accuracy": from_scratch,
        "few_labels_gain": fine_tuned
        - from_scratch,  # of the same images: the difference varies less than its parts
    }
