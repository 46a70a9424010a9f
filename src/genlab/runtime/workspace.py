"""Where the repository lies, and what is kept there beside DVC's outputs."""

import os
from pathlib import Path


def root() -> Path:
    """Returns the repository's root: DVC's when it called us (also in temporary and queued experiments), else ours.

    Ours is the nearest folder upwards of the working directory that holds a `dvc.yaml`, else the working directory.
    """
    if "DVC_ROOT" in os.environ:
        return Path(os.environ["DVC_ROOT"]).resolve()
    here = Path.cwd()
    return next(
        (folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here
    )


def state(*parts: str) -> Path:
    """Returns a path below `.genlab/` of the root: checkpoints, journals and locks, which no stage declares."""
    return root().joinpath(".genlab", *parts)


def downloads(dataset: str) -> Path:
    """Returns the folder that keeps a data set's downloaded files, which outlives the stage's outputs."""
    return root() / "data" / "downloads" / dataset


def user_cache() -> Path:
    """Returns the folder of what is kept for commands that run outside of any repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "genlab"
