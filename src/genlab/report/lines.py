"""Training curves as numbers, for the page to draw, smooth and read off."""

from typing import Any

from genlab import pages
from genlab.report import curves
from genlab.report.collect import Model, Series

NUM_POINTS = 2000
"""Of a line, at most."""


def panels(models: dict[str, Model], accents: dict[str, str]) -> list[dict[str, Any]]:
    """Returns one panel per quantity: title, note, scale, range of the heights, and its lines.

    Args:
        models: By the name that their lines have in the legend; those of a single one are named by their split alone.
        accents: The colour of each.
    """
    found: dict[str, dict[tuple[str, str], Series]] = {}
    for name, model in models.items():
        for quantity, columns in curves.panels(model).items():
            for column, series in columns.items():
                found.setdefault(quantity, {})[name, column] = series
    return [_panel(quantity, lines, accents) for quantity, lines in found.items()]


def _panel(
    quantity: str, lines: dict[tuple[str, str], Series], accents: dict[str, str]
) -> dict[str, Any]:
    note, scale, limits = curves.scale(list(lines.values()))
    splits, names = {column.partition("/")[0] for _, column in lines}, {name for name, _ in lines}
    is_compared = len(accents) > 1
    is_many = len(lines) > len(splits) * len(names)
    return {
        "title": pages.readable(quantity),
        "note": note,
        "scale": scale,
        "range": list(limits) if limits else None,
        "many": is_many,
        "compared": is_compared,
        "text": f"Curves of {pages.readable(quantity)}: {'; '.join(curves.from_to(*each) for each in _first(lines))}.",
        "lines": [
            {
                "name": _name(key, is_compared, is_many),
                "split": key[1].partition("/")[0],
                "colour": accents[key[0]],
            }
            | _points(series)
            for key, series in lines.items()
        ],
    }


def _first(lines: dict[tuple[str, str], Series]) -> list[tuple[str, Series]]:
    return [(f"{name} {column}", series) for (name, column), series in list(lines.items())[:4]]


def _name(key: tuple[str, str], is_compared: bool, is_many: bool) -> str:
    name, column = key
    split, _, quantity = column.partition("/")
    parts = [name] if is_compared else []
    parts.append(pages.readable(quantity) if is_many else split)
    return ", ".join(parts)


def _points(series: Series) -> dict[str, list[float]]:
    steps, values = series
    every = -(-len(steps) // NUM_POINTS)
    return {
        "steps": steps[::every].tolist(),
        "values": [float(f"{value:.6g}") for value in values[::every]],
    }
