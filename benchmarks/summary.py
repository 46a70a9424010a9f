"""Arithmetic on measurements: medians, ratios of pairs, bars."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest."""

    median: float
    least: float
    greatest: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Returns the median of at least one value, and its surroundings."""
    return Spread(median(values), min(values), max(values), len(values))


def paired_ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
    """Returns ours over theirs, round by round: what disturbs a round disturbs both. None where no round has both."""
    rounds = sorted(set(ours) & set(theirs))
    return spread([ours[number] / theirs[number] for number in rounds]) if rounds else None


def fastest(speeds: Mapping[Any, Mapping[int, float]]) -> Any:
    """Returns the name with the highest median; None where there is none."""
    measured = {name: median(rounds.values()) for name, rounds in speeds.items() if rounds}
    return max(measured, key=measured.__getitem__, default=None)


def overhead(on: Mapping[str, float], off: Mapping[str, float]) -> float:
    """Returns the share of a real training's time that observing takes.

    Args:
        on: With all of a real training's rows, pictures and checkpoints on fewer steps: `training_seconds`.
        off: The same steps without them; also `first_call_seconds` and `fewer`, real steps over these.
    """
    real_seconds = off["first_call_seconds"] + off["fewer"] * off["training_seconds"]
    return (on["training_seconds"] - off["training_seconds"]) / real_seconds


@dataclass(frozen=True)
class Bar:
    """What was asked for and what was measured. `value` None: not measured."""

    name: str
    value: float | None
    bar: float
    at_most: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether it is met; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def as_json(self) -> dict[str, Any]:
        """Returns all of it."""
        return asdict(self) | {"passed": self.passed}
