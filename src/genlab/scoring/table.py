"""Scores as lines of text, in aligned columns."""

from collections.abc import Mapping, Sequence
from typing import Any

HEADINGS = ("measure", "value", "95 % interval", "floor", "better", "unit")
NUMBERS = (1, 2, 3)  # columns that are set to the right


def lines(scores: Mapping[str, Any]) -> list[str]:
    """Returns the table, then what was left out and why, then what the numbers hang on."""
    rows = [HEADINGS, *(_row(name, metric) for name, metric in scores["metrics"].items())]
    skipped = [f"not measured: {name}: {reason}" for name, reason in scores["skipped"].items()]
    return [*_aligned(rows), *skipped, "", *_notes(scores["protocol"])]


def _row(name: str, metric: Mapping[str, Any]) -> Sequence[str]:
    interval = " to ".join(map(number, metric["interval"])) if metric["interval"] else "-"
    floor = "-" if metric["floor"] is None else number(metric["floor"])
    return name, number(metric["value"]), interval, floor, metric["direction"], metric["unit"]


def number(value: float) -> str:
    """Returns four significant digits, without a power of ten where the number is of common size."""
    return f"{value:.4g}" if value == 0 or 1e-4 <= abs(value) < 1e4 else f"{value:.3e}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (
        [
            cell.rjust(width) if column in NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(pairs)
        ]
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    )
    return ["  ".join(row).rstrip() for row in cells]


def _notes(protocol: Mapping[str, Any]) -> list[str]:
    features = protocol["features"]
    return [
        f"features: {features['name']} (task {features['task']}, SHA-256 {features['weights_sha256'][:12]})",
        f"pictures: {protocol['num_real']} real, {protocol['num_generated']} generated, {protocol['num_train']} train",
        f"intervals: {protocol['intervals']}",
        f"floor: {protocol['floor']}",
    ]
