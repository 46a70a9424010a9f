"""What a user sees while waiting, on standard error: a note per stage, bars in a terminal.

`GENLAB_QUIET` in the environment hides both, in child processes too; warnings and errors stay.
"""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

QUIET = "GENLAB_QUIET"
Item = TypeVar("Item")


def note(text: str) -> None:
    """Prints what is being done, or its outcome, above a bar that is shown."""
    from tqdm import tqdm

    if not os.environ.get(QUIET):
        tqdm.write(text, file=sys.stderr)


def bar(
    items: Iterable[Item], name: str, total: int | None = None, unit: str = "part"
) -> Iterable[Item]:
    """Returns the items, counted by a bar that disappears at their end.

    Args:
        items: To go through.
        name: What is being done.
        total: How many items; by default their length.
        unit: Of the count.
    """
    from tqdm import tqdm

    is_hidden = True if os.environ.get(QUIET) else None  # None: unless there is a terminal
    return tqdm(items, name, total, leave=False, unit=unit, disable=is_hidden)
