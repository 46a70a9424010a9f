"""Numbers of several trainings of one model as one: their mean, and how far they lie apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from genlab.contract.score import Score
from genlab.numerics import intervals


def joined(scores: Mapping[str, Score], further: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """Returns the scores of the first training, with the mean where all have measured alike.

    The interval is Student's over the trainings, and so is that of each judge's mean.
    """
    return {
        name: _join(score, [one.get(name) for one in further]) for name, score in scores.items()
    }


def _join(first: Score, others: Sequence[Score | None]) -> Score:
    found = [other for other in others if other and other.protocol == first.protocol]
    if not others or len(found) < len(others):
        return first
    trainings = (first, *found)
    estimate = intervals.of_repeats([score.value for score in trainings])
    return replace(
        first,
        value=estimate.value,
        interval=estimate.interval,
        interval_method=f"Student, {len(trainings)} trainings",
        judges={name: _mean(score.judges[name] for score in trainings) for name in first.judges},
        trainings=tuple(score.value for score in trainings),
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
