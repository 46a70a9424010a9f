"""Where the repository is, and its folder `.genlab` beside DVC's outputs."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def root() -> Path:
    """Returns the repository's root.

    Under DVC it is DVC's, also in temporary and queued experiments; else the nearest folder upwards
    of the working directory that holds a `dvc.yaml`; else the working directory.
    """
    if "DVC_ROOT" in os.environ:
        return Path(os.environ["DVC_ROOT"]).resolve()
    here = Path.cwd()
    folders = (folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file())
    return next(folders, here)


def state(*parts: str) -> Path:
    """Returns a path in the root's `.genlab/`: checkpoints, journals, locks; no stage's output."""
    return root().joinpath(".genlab", *parts)


def downloads(dataset: str) -> Path:
    """Returns the folder of a data set's downloaded files, which outlives the stage's outputs."""
    return root() / "data" / "downloads" / dataset


def user_cache() -> Path:
    """Returns the cache folder of commands that run outside any repository.

    It is in the workspace if the user has no home folder.
    """
    settle_home()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "genlab"


def settle_home() -> None:
    """Gives a user without a home folder one in the workspace; libraries fail without it.

    A container's user may have neither `HOME` nor an entry in the password file, or `HOME=/`. Where
    the workspace is read-only, too, the home lasts as long as the process.
    """
    try:
        has_home = os.access(Path.home(), os.W_OK)
    except RuntimeError:
        has_home = False
    if has_home:
        return
    home = state("home")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        home = Path(tempfile.mkdtemp(prefix="genlab-home-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["HOME"] = str(home)
