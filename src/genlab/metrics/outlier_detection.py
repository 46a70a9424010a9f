"""Does the model find images of another kind stranger than its own? Outliers are the positives.

Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in
Neural Networks", ICLR 2017: the area under the receiver operating characteristic is P(outlier
stranger than inlier) + P(as strange) / 2. Hendrycks, Mazeika and Dietterich, "Deep Anomaly
Detection with Outlier Exposure", ICLR 2019: the share of the inliers that are called outliers by
the threshold that finds 95 % of the outliers.
"""

import math

import numpy as np

from genlab.contract.evidence import Measure, OutlierScores, Unavailable, Values

NEEDS = OutlierScores
MEASURES = {
    "auroc": Measure("share of pairs", "higher", "Hendrycks and Gimpel 2017", (0, 1)),
    "false_positive_rate_at_95": Measure(
        "share of the inliers", "lower", "Hendrycks et al. 2019", (0, 1)
    ),
}
DETECTED_SHARE = 0.95


def compute(scores: OutlierScores) -> Values:
    """Returns the area, and the share of false alarms."""
    from sklearn.metrics import roc_auc_score

    inliers, outliers = scores.inliers, scores.outliers
    if not len(inliers) or not len(outliers):
        raise Unavailable("there are no images of another kind")
    is_outlier = np.repeat([False, True], [len(inliers), len(outliers)])
    area = roc_auc_score(is_outlier, np.concatenate([inliers, outliers]))
    threshold = np.sort(outliers)[::-1][math.ceil(DETECTED_SHARE * len(outliers)) - 1]
    return {"auroc": float(area), "false_positive_rate_at_95": float(np.mean(inliers >= threshold))}
