"""Cells, rows and groups of a table, and what stands in a cell beside a value."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from genlab.contract.findings import times_floor
from genlab.contract.score import Score
from genlab.pages import significant
from genlab.report.laboratory import ReportedModel
from genlab.report.ranking import REFERENCES

DISTANCE = "frechet_distance"
MSE, SEARCHED_MSE = "test/reconstruction/mse", "test/inversion/mse"
PCA_MSE = "test/pca/mse"
BETTER = {"lower": "↓ lower is better", "higher": "↑ higher is better"}


@dataclass(frozen=True)
class Cell:
    """What one model has of one quantity.

    Attributes:
        text: The rounded value; empty where there is none.
        interval: Its 95 % interval: `"4.1 to 4.3"`.
        note: What it is compared with: `"4.2 × floor"`.
        reason: Why there is no value.
        best: Whether no other model has a better one.
        link: An address for the text.
    """

    text: str = ""
    interval: str = ""
    note: str = ""
    reason: str = ""
    best: bool = False
    link: str = ""


class Row(NamedTuple):
    """One quantity: its name, unit and direction, a cell per model, and why none is called best."""

    label: str
    unit: str
    cells: list[Cell]
    unranked: str = ""


class Group(NamedTuple):
    """Rows under one heading."""

    title: str
    rows: list[Row]


def cell(score: Score, text: Callable[[float], str], note: str, best: bool = False) -> Cell:
    """Returns the cell of a score, rounded by `text`."""
    low, high = score.interval or (0, 0)
    span = f"{text(low)} to {text(high)}" if low < high else ""
    if number := len(score.trainings):
        spread = f"± {text(statistics.stdev(score.trainings))} over {number} trainings"
        note = f"{spread}; {note}" if note else spread
    return Cell(text(score.value), span, note, best=best)


def against_floor(metric: str, score: Score) -> str:
    """Returns what real images score: `"7.2 × floor, 0.38"`, or else `"real images: 0.98"`.

    The floor is of train images against test images, then of halves of the test images.
    """
    if "floor" not in score.floor:
        return ""
    text, ratio = significant(score.floor["floor"].value), times_floor(score)
    if "floor_halves" in score.floor:
        text += f"; halves of test: {significant(score.floor['floor_halves'].value)}"
    if DISTANCE in metric and ratio is not None:
        return f"{significant(ratio, 2)} × floor, {text}"
    return f"real images: {text}"


def against_pca(model: ReportedModel) -> float | None:
    """Returns the reconstruction error relative to that of PCA: -0.4 is 40 % below it."""
    value, baseline = model.value(MSE), model.value(PCA_MSE)
    return value / baseline - 1 if value is not None and baseline else None


def percent(relation: float, what: str) -> str:
    """Returns `"40 % below PCA"`."""
    share = significant(abs(relation) * 100, 2)
    return f"{share} % {'below' if relation < 0 else 'above'} {what}"


def made_by(model: ReportedModel) -> str:
    """Returns how the model reconstructs; empty where it does not."""
    metrics = (metric for metric in (MSE, SEARCHED_MSE) if metric in model.scores)
    return next((model.scores[metric].method for metric in metrics), "")


def unit(metric: str, score: Score) -> str:
    """Returns the metric's unit, and which direction is better."""
    is_reference = metric.split("/")[1] in REFERENCES
    better = "reference" if is_reference else BETTER.get(score.direction, "")
    return ", ".join(part for part in (score.unit, better) if part)
