"""Training curves with matplotlib's object interface: one panel per quantity, train and validation together."""

import re
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genlab import pages
from genlab.report.collect import Model, Series
from genlab.report.drawing import INK, Chart, draw

LOG_DECADES = 2.0


def curves(model: Model, colour: str) -> list[Chart]:
    """Returns one panel per quantity of the history: train and validation of the same quantity together."""
    return [
        _curve(quantity, columns, model.name, colour) for quantity, columns in panels(model).items()
    ]


def panels(model: Model) -> dict[str, dict[str, Series]]:
    """Returns per quantity its columns, `<split>/<quantity>`; numbered ones of one quantity stand together."""
    found: dict[str, dict[str, Series]] = {}
    for column, series in model.history.items():
        split, _, quantity = column.partition("/")
        if not quantity:
            split, quantity = "train", column
        found.setdefault(re.sub(r"[/_]\d+$", "", quantity), {})[f"{split}/{quantity}"] = series
    return found


def _curve(quantity: str, columns: dict[str, Series], name: str, colour: str) -> Chart:
    title = pages.readable(quantity)
    many = len(columns) > 2
    note, how, limits = scale(list(columns.values()))
    note = ", ".join(part for part in (f"{len(columns)} lines" if many else "", note) if part)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        seen: set[str] = set()
        for column, (steps, values) in columns.items():
            split = column.partition("/")[0]
            label = split if split not in seen else None
            seen.add(split)
            look: dict[str, Any] = {
                "color": colour,
                "linewidth": 0.9 if many else 1.3,
                "alpha": 0.6,
            }
            if split != "train" and not many:
                look = {"color": INK, "linewidth": 1.4, "linestyle": (0, (4, 1.5))}
            axes.plot(
                steps,
                values,
                label=label,
                marker="o" if len(steps) < 3 else None,
                markersize=3,
                **look,
            )
        axes.set_yscale(how)
        if how == "log":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(ticker.NullFormatter())
        if limits:
            axes.set_ylim(*limits)
        _finish_curve(axes)

    summary = ", ".join(from_to(column, series) for column, series in list(columns.items())[:4])
    text = f"Curves of {name}, {title}: {summary}."
    return Chart(**draw(paint, 3.4, 2.1), title=title, text=text, note=note)


def _finish_curve(axes: Axes) -> None:
    axes.set_xlabel("step")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="best", fontsize=8)


def from_to(column: str, series: Series) -> str:
    """Returns a line's first and last value in words."""
    (steps, values), split = series, column.partition("/")[0]
    return f"{split} from {values[0]:.4g} at step {steps[0]:,} to {values[-1]:.4g} at step {steps[-1]:,}"


def scale(lines: list[Series]) -> tuple[str, str, tuple[float, float] | None]:
    """Returns note, scale and limits: logarithmic over wide ranges, else limits that the first steps cannot stretch."""
    every = np.concatenate([values for _, values in lines])
    if every.min() > 0 and np.log10(every.max() / every.min()) > LOG_DECADES:
        return "logarithmic", "log", None
    last = max(steps[-1] for steps, _ in lines)
    late = np.concatenate([values[steps >= 0.05 * last] for steps, values in lines])
    late = late if len(late) > 8 else every
    low, high = np.quantile(late, [0.005, 0.995])
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - room, high + room
    outside = int(((every < low) | (every > high)).sum())
    if not outside:
        return "", "linear", None
    return (
        f"{outside} of {len(every):,} values lie off the scale",
        "linear",
        (float(low), float(high)),
    )
