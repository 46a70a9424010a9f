"""How well a linear classifier reads the classes: logistic regression on standardised vectors.

Alain and Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes", ICLR workshop
2017. Each dimension has mean 0 and deviation 1 on the train vectors; the penalty |weights|^2 / 2
stands beside the sum of the losses, scikit-learn's C = 1.
"""

import numpy as np

from genlab.contract.evidence import LabelledVectors, Measure, Values

NEEDS = LabelledVectors
MEASURES = {
    "linear_probe_accuracy": Measure("share of the test images", "higher", "Alain and Bengio 2017")
}
MAX_STEPS = 10_000
"""The loss is strongly convex: the search ends well before."""


def compute(vectors: LabelledVectors) -> Values:
    """Returns per test image whether the probe tells its class, 0 or 1: (n,)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    vectors.check_classes()
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MAX_STEPS))
    probe.fit(vectors.train.astype(np.float64), vectors.train_labels)
    predicted = probe.predict(vectors.test.astype(np.float64))
    return {"linear_probe_accuracy": (predicted == vectors.test_labels).astype(np.float64)}
