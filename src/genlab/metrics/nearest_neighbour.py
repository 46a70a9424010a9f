"""How well neighbours tell the class: a test image gets the commonest class of its nearest.

Cover and Hart, "Nearest Neighbor Pattern Classification", 1967. The distance is Euclidean, between
the vectors as they are; of equally common classes the smallest number wins.
"""

import numpy as np
from pydantic import Field

from genlab.contract.evidence import LabelledVectors, Measure, Unavailable, Values
from genlab.settings.section import Section

NEEDS = LabelledVectors
MEASURES = {
    "nearest_neighbour_accuracy": Measure(
        "share of the test images", "higher", "Cover and Hart 1967"
    )
}


class Settings(Section):
    """How many of the nearest train images vote."""

    num_neighbours: int = Field(ge=1)


def compute(vectors: LabelledVectors, settings: Settings) -> Values:
    """Returns per test image whether the neighbours tell its class, 0 or 1: (n,)."""
    from sklearn.neighbors import KNeighborsClassifier

    vectors.check_classes()
    if len(vectors.train) < settings.num_neighbours:
        raise Unavailable(f"there are fewer than {settings.num_neighbours} train images")
    classifier = KNeighborsClassifier(settings.num_neighbours, algorithm="brute")
    predicted = classifier.fit(vectors.train, vectors.train_labels).predict(vectors.test)
    return {"nearest_neighbour_accuracy": (predicted == vectors.test_labels).astype(np.float64)}
