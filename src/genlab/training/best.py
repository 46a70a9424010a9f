"""Which validation was the best, and when to stop early. Lower values are better."""

from genlab.settings.params import ModelSettings

Row = dict[str, float]


def row(rows: list[Row], settings: ModelSettings) -> Row | None:
    """Returns the first row with the lowest `validation/<monitor>`; None if no row has it."""
    name = f"validation/{settings.monitor}"
    return min((row for row in rows if name in row), key=lambda row: row[name], default=None)


def is_past(rows: list[Row], settings: ModelSettings) -> bool:
    """Returns whether the best validation is `patience` validations old; never if that is 0."""
    best = row(rows, settings)
    if not settings.patience or best is None:
        return False
    name = f"validation/{settings.monitor}"
    num_later = sum(name in row and row["step"] > best["step"] for row in rows)
    return num_later >= settings.patience
