"""What one sees while waiting, on standard error: a note per stage, and bars where there is a terminal.

`GENLAB_QUIET` in the environment leaves out both, in child processes, too; warnings and errors stay.
"""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

QUIET = "GENLAB_QUIET"
Item = TypeVar("Item")


def note(text: str) -> None:
    """Says what is being done, or what came of it; a bar that is there stays below."""
    from tqdm import tqdm

    if not os.environ.get(QUIET):
        tqdm.write(text, file=sys.stderr)


def bar(
    items: Iterable[Item], name: str, total: int | None = None, unit: str = "part"
) -> Iterable[Item]:
    """Returns the items, counted by a bar that is gone at their end.

    Args:
        items: What is gone through.
        name: What is being done.
        total: How many items; by default their length.
        unit: Of what.
    """
    from tqdm import tqdm

    hidden = True if os.environ.get(QUIET) else None  # None: where there is no terminal
    return tqdm(items, name, total, leave=False, unit=unit, disable=hidden)
