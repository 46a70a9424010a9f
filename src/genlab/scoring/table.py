"""Scores as lines of text, in aligned columns."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genlab.contract.score import Score

if TYPE_CHECKING:
    from genlab.scoring import PictureScores

HEADINGS = ("measure", "value", "95 % interval", "alike", "floor", "better", "unit")
NUMBERS = (1, 2, 3, 4)
"""Columns that are aligned on the right."""
ONE = "; this is one opinion"


def lines(scores: "PictureScores") -> list[str]:
    """Returns the table, then what is missing and why, what is doubtful, and the protocol."""
    rows = [
        HEADINGS,
        *(_row(name, score, scores.alike.get(name)) for name, score in scores.metrics.items()),
    ]
    skipped = [f"not measured: {name}: {reason}" for name, reason in scores.skipped.items()]
    warnings = [f"warning: {line}" for line in scores.warnings]
    return [*_aligned(rows), *skipped, *warnings, "", *_notes(scores.protocol)]


def _row(name: str, score: Score, alike: float | None) -> Sequence[str]:
    interval = " to ".join(map(number, score.interval)) if score.interval else "-"
    floor = number(score.floor["floor"].value) if score.floor else "-"
    beside = "-" if alike is None else number(alike)
    return name, number(score.value), interval, beside, floor, score.direction, score.unit


def number(value: float) -> str:
    """Returns four significant digits, without a power of ten for numbers of common size."""
    return f"{value:.4g}" if value == 0 or 1e-4 <= abs(value) < 1e4 else f"{value:.3e}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    columns = []
    for index, cells in enumerate(zip(*rows, strict=True)):
        width = max(map(len, cells))
        columns.append([c.rjust(width) if index in NUMBERS else c.ljust(width) for c in cells])
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def _notes(protocol: Mapping[str, Any]) -> list[str]:
    judges = [
        f"{name} (task {facts['task']}, SHA-256 {facts['weights_sha256'][:12]})"
        for name, facts in protocol["judges"].items()
    ]
    numbers = [f"{protocol['num_' + name]} {name}" for name in ("real", "generated", "train")]
    return [
        f"judges of {protocol['features']}: {', '.join(judges)}{ONE if len(judges) == 1 else ''}",
        f"pictures: {', '.join(numbers)}",
        f"intervals: {protocol['intervals']}",
        f"floor: {protocol['floor']}",
    ]
