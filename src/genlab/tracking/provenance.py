"""Where a run comes from: tags for code, pipeline and parent, and parameters in MLflow's flat form."""

import getpass
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import genlab

MAX_PARAM_LENGTH = 6000
PARENT = "GENLAB_PARENT_RUN_ID"
WRITTEN_BY_RUNS = (":!dvc.lock", ":!reports")
"""In git, but no change of the user's: every stage rewrites them."""


def tags() -> dict[str, str]:
    """Returns the tags of this process: git commit and state, DVC stage and experiment, version, user, parent run."""
    commit, dirty = git("rev-parse", "HEAD"), changed_files()
    found = {
        "genlab.version": genlab.__version__,
        "genlab.git_commit": commit,
        "genlab.git_dirty": None if dirty is None else str(bool(dirty)).lower(),
        "genlab.dvc_stage": os.environ.get("DVC_STAGE"),
        "genlab.dvc_experiment": os.environ.get("DVC_EXP_NAME"),
        "mlflow.parentRunId": parent_run_id(),
        "mlflow.source.git.commit": commit,
        "mlflow.source.name": os.environ.get("DVC_STAGE") or " ".join(["genlab", *sys.argv[1:3]]),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }
    return {key: value for key, value in found.items() if value}


def parent_run_id() -> str | None:
    """Returns the run that `mlflow run` opened around this process, if any.

    `MLFLOW_RUN_ID` is taken out of the environment: with it, MLflow would resume the parent instead of making a run.
    """
    if "MLFLOW_RUN_ID" in os.environ:
        os.environ[PARENT] = os.environ.pop("MLFLOW_RUN_ID")
    return os.environ.get(PARENT)


@contextmanager
def children_of(run_id: str | None) -> Iterator[None]:
    """Makes this run the parent of those that this process, and those it starts, make in the block."""
    former = parent_run_id()
    if run_id is None:
        yield
        return
    os.environ[PARENT] = run_id
    try:
        yield
    finally:
        os.environ.pop(PARENT)
        if former is not None:
            os.environ[PARENT] = former


def changed_files(*but: str) -> str | None:
    """Returns git's lines on files that differ from the commit, without what stages rewrite and the paths `but`."""
    others = [f":!{path}" for path in but]
    return git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN_BY_RUNS, *others
    )


def git(*arguments: str) -> str | None:
    """Returns what git says in the working directory; None where it does not answer."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git, no repository or no commit: a run without this tag
    return done.stdout.strip()


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None  # a container's user without a name


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns nested parameters as `{"models.kl_weight": "1.0"}`; lists as JSON."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            text = json.dumps(value, default=str) if isinstance(value, list | tuple) else str(value)
            flat[re.sub(r"[^\w.\-: /]", "_", name)[:250]] = text
    return flat


def shorten(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the parameters with values that MLflow takes: at most 6000 characters, cut ones end in `...`."""
    limit = MAX_PARAM_LENGTH
    return {
        key: text if len(text) <= limit else text[: limit - 3] + "..."
        for key, text in params.items()
    }
