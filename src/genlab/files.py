"""Writing so that a file or folder under its final name is always whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yields a free path beside `out`; what the block built there takes the place of `out` when the block ends well.

    When it does not, nothing is left there, and `out` is as it was.
    """
    building = out.with_name(f".{out.name}.building")
    out.parent.mkdir(parents=True, exist_ok=True)
    remove(building)
    try:
        yield building
        remove(out)
        building.rename(out)
    finally:
        remove(building)


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
