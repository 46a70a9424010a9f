"""How well neighbours tell the class in a representation: a test image is given the commonest class of its nearest.

Cover and Hart, "Nearest Neighbor Pattern Classification", 1967. Euclidean distance between the vectors as they are;
where classes are equally common, the one of the smallest number is taken.
"""

import numpy as np
from pydantic import Field

from genlab.measurement.evidence import Measure, Representations, Unavailable, Values
from genlab.settings.params import Section

NEEDS = Representations
MEASURES = {
    "nearest_neighbour_accuracy": Measure(
        "share of the test images", "higher", "Cover and Hart 1967"
    )
}


class Settings(Section):
    """How many of the nearest train images vote."""

    num_neighbours: int = Field(ge=1)


def compute(evidence: Representations, settings: Settings) -> Values:
    """Returns of each test image whether its class was told, 0 or 1: (n,).

    Raises:
        Unavailable: There are fewer train images than neighbours, or they have fewer than two classes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if len(np.unique(evidence.train_labels)) < 2:
        raise Unavailable("the train images have fewer than two classes")
    if len(evidence.train) < settings.num_neighbours:
        raise Unavailable(f"there are fewer than {settings.num_neighbours} train images")
    classifier = KNeighborsClassifier(settings.num_neighbours, algorithm="brute")
    predicted = classifier.fit(evidence.train, evidence.train_labels).predict(evidence.test)
    return {"nearest_neighbour_accuracy": (predicted == evidence.test_labels).astype(np.float64)}
