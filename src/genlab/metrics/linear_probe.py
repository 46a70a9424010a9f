"""How well a linear classifier reads the classes from a representation: logistic regression on standardised vectors.

Alain and Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes", ICLR workshop 2017. Each
dimension is brought to mean 0 and deviation 1 on the train vectors; the weights have the penalty |weights|^2 / 2 beside
the sum of the losses, scikit-learn's C = 1.
"""

import numpy as np

from genlab.measurement.evidence import Measure, Representations, Unavailable, Values

NEEDS = Representations
MEASURES = {
    "linear_probe_accuracy": Measure("share of the test images", "higher", "Alain and Bengio 2017")
}
MAX_STEPS = 10_000
"""So many that the search always ends by itself: the loss is strongly convex."""


def compute(evidence: Representations) -> Values:
    """Returns of each test image whether its class was told, 0 or 1: (n,).

    Raises:
        Unavailable: The train images have fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(evidence.train_labels)) < 2:
        raise Unavailable("the train images have fewer than two classes")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MAX_STEPS))
    probe.fit(evidence.train.astype(np.float64), evidence.train_labels)
    predicted = probe.predict(evidence.test.astype(np.float64))
    return {"linear_probe_accuracy": (predicted == evidence.test_labels).astype(np.float64)}
