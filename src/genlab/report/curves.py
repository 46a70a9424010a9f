"""Training curves: a figure per quantity, its train and validation lines together."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from genlab.pages import readable
from genlab.report.figures import INK, Figure, axis
from genlab.report.laboratory import ReportedModel, Series

LOG_DECADES = 2.0
NUM_POINTS = 2000
"""Of a line, at most."""


class CurveLine(NamedTuple):
    """One column of a model's history: its model, split, quantity, and steps with values."""

    model: str
    split: str
    quantity: str
    series: Series


def curves(models: Mapping[str, ReportedModel], accents: Mapping[str, str]) -> list[Figure]:
    """Returns a figure per quantity, with the lines of all models.

    Args:
        models: By the name that their lines have; a single model's lines are named by split alone.
        accents: The colour of each.
    """
    by_quantity: dict[str, list[CurveLine]] = {}
    for name, model in models.items():
        for split, quantity, series in columns(model):
            line = CurveLine(name, split, quantity, series)
            by_quantity.setdefault(re.sub(r"[/_]\d+$", "", quantity), []).append(line)
    return [_figure(quantity, lines, accents) for quantity, lines in by_quantity.items()]


def columns(model: ReportedModel) -> list[tuple[str, str, Series]]:
    """Returns split, quantity and series of each column; a column without a split is of train."""
    parts = [
        (name.partition("/") if "/" in name else ("train", "", name), series)
        for name, series in model.history.items()
    ]
    return [(split, quantity, series) for (split, _, quantity), series in parts]


def _figure(quantity: str, lines: list[CurveLine], accents: Mapping[str, str]) -> Figure:
    title, is_compared = readable(quantity), len(accents) > 1
    is_many = len(lines) > len({(line.model, line.split) for line in lines})
    note, changes = scale([line.series for line in lines])
    number = f"{len(lines)} lines" if is_many else ""
    layout = {
        "xaxis": axis("step", tickformat=",d", nticks=6),
        "yaxis": axis(**changes),
        "hovermode": "closest" if is_many else "x unified",
        "showlegend": not is_many,
    }
    traces = [_trace(line, accents[line.model], is_compared, is_many) for line in lines]
    text = f"Curves of {title}: {'; '.join(_in_words(line) for line in lines[:4])}."
    return Figure(title, text, traces, layout, ", ".join(filter(None, (number, note))))


def _trace(line: CurveLine, accent: str, is_compared: bool, is_many: bool) -> dict[str, Any]:
    steps, values = line.series
    every = -(-len(steps) // NUM_POINTS)
    name = readable(line.quantity) if is_many else line.split
    is_solid = line.split == "train" or is_many
    look = {"color": accent if is_solid or is_compared else INK, "width": 1 if is_many else 1.7}
    return {
        "x": steps[::every].tolist(),
        "y": [float(f"{value:.6g}") for value in values[::every]],
        "mode": "lines" if len(steps) > 2 else "lines+markers",
        "name": f"{line.model}, {name}" if is_compared else name,
        "hovertemplate": "%{y:.5g}",
        "line": look | {"dash": "solid" if is_solid else "dash"},
    }


def _in_words(line: CurveLine) -> str:
    steps, values = line.series
    begin, end = (f"{values[at]:.4g} at step {steps[at]:,}" for at in (0, -1))
    return f"{line.model} {line.split} from {begin} to {end}"


def scale(lines: list[Series]) -> tuple[str, dict[str, Any]]:
    """Returns a note, and the height axis: logarithmic over wide ranges.

    A linear one gets limits that the first steps cannot stretch, where they would.
    """
    values = np.concatenate([values for _, values in lines])
    if values.min() > 0 and np.log10(values.max() / values.min()) > LOG_DECADES:
        return "logarithmic", {"type": "log"}
    last = max(steps[-1] for steps, _ in lines)
    late = np.concatenate([values[steps >= 0.05 * last] for steps, values in lines])
    low, high = np.quantile(late if len(late) > 8 else values, [0.005, 0.995])
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    limits = [float(low - room), float(high + room)]
    num_outside = int(((values < limits[0]) | (values > limits[1])).sum())
    if not num_outside:
        return "", {}
    return f"{num_outside} of {len(values):,} values lie off the scale", {"range": limits}
