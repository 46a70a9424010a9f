"""Arithmetic on measurements: medians, ratios of pairs, bars."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

Measurement = dict[str, Any]
"""What one contestant measured in one round; it failed if there is an `error`."""
COLUMNS = ("median", "least", "greatest")


@dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest."""

    median: float
    least: float
    greatest: float
    count: int


def select(measurements: Iterable[Measurement], **wanted: Any) -> list[Measurement]:
    """Returns the measurements with these entries that did not fail."""
    return [
        entry for entry in measurements if wanted.items() <= entry.items() and "error" not in entry
    ]


def by_round(measurements: Iterable[Measurement], key: str) -> dict[int, float]:
    """Returns one number of the measurements that have it, by round."""
    return {entry["round"]: entry[key] for entry in measurements if key in entry}


def spread(values: Iterable[float]) -> Spread | None:
    """Returns the median of some values and its surroundings; None if there are no values."""
    numbers = list(values)
    return Spread(median(numbers), min(numbers), max(numbers), len(numbers)) if numbers else None


def median_of(values: Spread | None) -> float | None:
    """Returns the median of a spread, if there is one."""
    return values.median if values else None


def paired_ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
    """Returns ours over theirs, round by round: what disturbs a round disturbs both."""
    return spread(ours[number] / theirs[number] for number in sorted(set(ours) & set(theirs)))


def fastest(speeds: Mapping[Any, Mapping[int, float]]) -> Any:
    """Returns the name with the highest median; None if there is none."""
    measured = {name: median(rounds.values()) for name, rounds in speeds.items() if rounds}
    return max(measured, key=measured.__getitem__, default=None)


def overhead(on: Mapping[str, float], off: Mapping[str, float]) -> float:
    """Returns the share of a real training's time that observing takes.

    Args:
        on: With all of a real training's rows, pictures and checkpoints on fewer steps:
            `training_seconds`.
        off: The same steps without them; also `first_call_seconds` and `fewer`, real steps over
            these.
    """
    real_seconds = off["first_call_seconds"] + off["fewer"] * off["training_seconds"]
    return (on["training_seconds"] - off["training_seconds"]) / real_seconds


@dataclass(frozen=True)
class Bar:
    """A requirement and the measured value. `value` None: not measured."""

    name: str
    value: float | None
    bar: float
    at_most: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether it is met; None if nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def as_json(self) -> dict[str, Any]:
        """Returns all of it."""
        return asdict(self) | {"passed": self.passed}


def as_json(values: Spread | None) -> dict[str, Any] | None:
    """Returns a spread as JSON."""
    return asdict(values) if values else None


def result(rows: Iterable[dict[str, Any]], bars: Iterable[Bar], **more: Any) -> dict[str, Any]:
    """Returns a part's summary as JSON."""
    return {"rows": list(rows), **more, "bars": [bar.as_json() for bar in bars]}


def header(title: str, width: int) -> str:
    """Returns the first line of a table of spreads."""
    return f"{title:<{width}}" + "".join(f"{name:>10}" for name in COLUMNS)


def cells(values: dict[str, Any] | None, form: str) -> str:
    """Returns the cells of a spread in a table."""
    if values is None:
        return " not measured"
    return "".join(f"{format(values[key], form):>10}" for key in COLUMNS)
