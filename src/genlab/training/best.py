"""Which validation was the best, and when to stop waiting for a better one; lower is better."""

from genlab.settings.params import ModelSettings

Row = dict[str, float]


def row(rows: list[Row], settings: ModelSettings) -> Row | None:
    """Returns the first of the rows with the lowest `validation/<monitor>`; None where none has it."""
    name = f"validation/{settings.monitor}"
    return min((row for row in rows if name in row), key=lambda row: row[name], default=None)


def is_past(rows: list[Row], settings: ModelSettings) -> bool:
    """Returns whether the last `patience` validations were no better than one before them; never where it is 0."""
    best = row(rows, settings)
    if not settings.patience or best is None:
        return False
    later = [
        row
        for row in rows
        if row["step"] > best["step"] and f"validation/{settings.monitor}" in row
    ]
    return len(later) >= settings.patience
