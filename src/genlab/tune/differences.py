"""Winner against present settings, number by number."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from genlab.tune.confirm import Confirmation, FullTraining
from genlab.tune.plan import Plan

REFERENCE = "pca"
"""A source whose numbers are not the model's."""


@dataclass(frozen=True)
class Difference:
    """One number of both sides: means and standard deviations over seeds.

    `improvement` is positive if the winner is better. `spread` is the standard deviation of a
    difference between two trainings, one of each side.
    """

    name: str
    present: float
    present_deviation: float
    winner: float
    winner_deviation: float
    improvement: float
    spread: float

    @property
    def is_larger_than_spread(self) -> bool:
        """Whether the winner is better by more than the spread."""
        return self.improvement > self.spread


def difference(
    name: str, present: Sequence[float], winner: Sequence[float], sign: int
) -> Difference:
    """Returns how one number differs; `sign` is 1 if lower is better, -1 if higher is."""
    before, after = statistics.mean(present), statistics.mean(winner)
    old, new = statistics.stdev(present), statistics.stdev(winner)
    spread = (old**2 + new**2) ** 0.5
    return Difference(name, before, old, after, new, sign * (before - after), spread)


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

    That is `better`, `worse`, `within the spread`, or nothing if neither direction is better.
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
        if abs(number.improvement) <= number.spread:
            judgement = "within the spread"
        numbers.append((number, "" if direction == "none" else judgement))
    return numbers


def _common(trainings: Sequence[FullTraining]) -> list[str]:
    return [
        name
        for name in trainings[0].values
        if f"/{REFERENCE}/" not in name and all(name in training.values for training in trainings)
    ]
