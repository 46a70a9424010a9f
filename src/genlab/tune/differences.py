"""Winner against present settings, number by number."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from genlab.tune.confirm import Confirmation, FullTraining
from genlab.tune.plan import Plan

REFERENCE = "pca"
"""A source whose numbers are not the model's."""


LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """One number of both sides: means and standard deviations over seeds.

    `improvement` is positive if the winner is better. `p_value` is that of Welch's t-test (1947),
    two-sided: how often trainings of equal settings differ as much.
    """

    name: str
    present: float
    present_deviation: float
    winner: float
    winner_deviation: float
    improvement: float
    p_value: float

    @property
    def is_significant(self) -> bool:
        """Whether chance alone makes such a difference in less than 5 % of cases."""
        return self.p_value < LEVEL

    @property
    def is_better(self) -> bool:
        """Whether the winner is better, and not by chance."""
        return self.improvement > 0 and self.is_significant


def difference(
    name: str, present: Sequence[float], winner: Sequence[float], sign: int
) -> Difference:
    """Returns how one number differs; `sign` is 1 if lower is better, -1 if higher is."""
    before, after = statistics.mean(present), statistics.mean(winner)
    old, new = statistics.stdev(present), statistics.stdev(winner)
    p_value = _p_value(present, winner) if old or new else float(before == after)
    return Difference(name, before, old, after, new, sign * (before - after), p_value)


def _p_value(present: Sequence[float], winner: Sequence[float]) -> float:
    from scipy import stats

    return float(stats.ttest_ind(present, winner, equal_var=False).pvalue)


def of_objectives(plan: Plan, confirmation: Confirmation) -> list[Difference]:
    """Returns the differences by each objective, on validation and on test images.

    An objective that needs no images, as a time, is there once, without a split.
    """
    return [
        difference(
            f"{split} {goal.name}" if len(goal.splits) > 1 else goal.name,
            [goal.of(training.values, split) for training in confirmation.present],
            [goal.of(training.values, split) for training in confirmation.won],
            goal.sign,
        )
        for goal in plan.objectives
        for split in goal.splits
    ]


def of_all(plan: Plan, confirmation: Confirmation) -> list[tuple[Difference, str]]:
    """Returns every number that all trainings have, each with a judgement.

    That is `better`, `worse`, `may be chance`, or nothing if neither direction is better.
    """
    directions = plan.directions()
    numbers = []
    for name in _common([*confirmation.present, *confirmation.won]):
        direction = directions.get(name.rpartition("/")[2], "none")
        before, after = (
            [training.values[name] for training in side]
            for side in (confirmation.present, confirmation.won)
        )
        number = difference(name, before, after, -1 if direction == "higher" else 1)
        judgement = "better" if number.improvement > 0 else "worse"
        if not number.is_significant:
            judgement = "may be chance"
        numbers.append((number, "" if direction == "none" else judgement))
    return numbers


def _common(trainings: Sequence[FullTraining]) -> list[str]:
    return [
        name
        for name in trainings[0].values
        if f"/{REFERENCE}/" not in name and all(name in training.values for training in trainings)
    ]
