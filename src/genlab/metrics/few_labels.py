"""A trained encoder where few images have labels: fine-tuned as a classifier, against a new one.

The other network starts from random weights and takes as many steps on the same images. After the
semi-supervised evaluation in Chen et al., "A Simple Framework for Contrastive Learning of Visual
Representations", ICML 2020.
"""

import numpy as np

from genlab.contract.evidence import FewLabelPredictions, Measure, Values

NEEDS = FewLabelPredictions
REFERENCE = "Chen et al. 2020"
MEASURES = {
    "fine_tuned_accuracy": Measure("share of the test images", "higher", REFERENCE),
    "from_scratch_accuracy": Measure("share of the test images", "none", REFERENCE),
    "few_labels_gain": Measure("share of the test images", "higher", REFERENCE),
}


def compute(evidence: FewLabelPredictions) -> Values:
    """Returns per test image whether each classifier is right, 0 or 1, and the difference: (n,)."""
    fine_tuned = (evidence.fine_tuned == evidence.labels).astype(np.float64)
    from_scratch = (evidence.from_scratch == evidence.labels).astype(np.float64)
    return {
        "fine_tuned_accuracy": fine_tuned,
        "from_scratch_accuracy": from_scratch,
        "few_labels_gain": fine_tuned - from_scratch,  # of the same images: varies less
    }
