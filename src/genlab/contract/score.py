"""One number of an evaluation, with all that belongs to it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Interval = tuple[float, float]
Direction = Literal["lower", "higher", "none"]
OPTIONAL = ("floor", "judges", "trainings")


@dataclass(frozen=True)
class Floor:
    """What real images score where a model's samples have a score."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Score:
    """A number, how sure it is, what it means and how it was measured.

    Attributes:
        value: The number.
        interval: Its 95 % interval, low and high; None where none can be given.
        interval_method: How the interval was made.
        unit: Of the value.
        direction: Whether lower or higher is better, or `none`.
        reference: Where the measure is defined.
        method: How the evidence came about, in a word.
        protocol: All settings that the number depends on beside the model. Two numbers compare only
            if their protocols are equal.
        floor: By name (`floor`, `floor_halves`) what real images score.
        judges: By name what each judge says, where `value` is the mean over several.
        trainings: The values of several trainings, where `value` is their mean.
    """

    value: float
    interval: Interval | None
    interval_method: str
    unit: str
    direction: Direction
    reference: str
    method: str
    protocol: dict[str, Any]
    floor: dict[str, Floor] = field(default_factory=dict)
    judges: dict[str, float] = field(default_factory=dict)
    trainings: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the score as `scores.json` holds it; what it does not have is no key."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if value or key not in OPTIONAL}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Score":
        """Returns the score that `to_json` wrote."""
        floors = {
            name: Floor(floor["value"], _interval(floor["interval"]))
            for name, floor in values.get("floor", {}).items()
        }
        trainings = tuple(values.get("trainings", ()))
        own = {"interval": _interval(values["interval"]), "floor": floors, "trainings": trainings}
        return cls(**{**values, **own})


def _interval(values: Any) -> Interval | None:
    return None if values is None else (values[0], values[1])


def scores_from_json(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Score]:
    """Returns by name the scores of `scores.json: metrics`."""
    return {name: Score.from_json(values) for name, values in metrics.items()}
