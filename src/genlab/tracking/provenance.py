"""Where a run comes from: tags for code, pipeline and parent; parameters in MLflow's flat form."""

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

PARENT = "GENLAB_PARENT_RUN_ID"
WRITTEN_BY_RUNS = (":!dvc.lock", ":!reports")
"""In git, but every stage rewrites them: no change of the user's."""


def tags() -> dict[str, str]:
    """Returns this process's tags: git commit, DVC stage and experiment, version, user, parent."""
    commit, changes = git("rev-parse", "HEAD"), changed_files()
    stage = os.environ.get("DVC_STAGE")
    values = {
        "genlab.version": genlab.__version__,
        "genlab.git_commit": commit,
        "genlab.git_dirty": None if changes is None else str(bool(changes)).lower(),
        "genlab.dvc_stage": stage,
        "genlab.dvc_experiment": os.environ.get("DVC_EXP_NAME"),
        "mlflow.parentRunId": parent_run_id(),
        "mlflow.source.git.commit": commit,
        "mlflow.source.name": stage or " ".join(["genlab", *sys.argv[1:3]]),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }
    return {key: value for key, value in values.items() if value}


def parent_run_id() -> str | None:
    """Returns the id of the run that `mlflow run` opened around this process, if any.

    `MLFLOW_RUN_ID` is removed from the environment: with it, MLflow would resume the parent
    instead of making a run.
    """
    if "MLFLOW_RUN_ID" in os.environ:
        os.environ[PARENT] = os.environ.pop("MLFLOW_RUN_ID")
    return os.environ.get(PARENT)


@contextmanager
def children_of(run_id: str | None) -> Iterator[None]:
    """Makes this run the parent of all runs made in the block, by child processes too."""
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
    """Returns git's lines on changed files, without those that stages rewrite and `but`."""
    excluded = [*WRITTEN_BY_RUNS, *(f":!{path}" for path in but)]
    return git("status", "--porcelain", "--untracked-files=no", "--", ".", *excluded)


def git(*arguments: str) -> str | None:
    """Returns git's answer in the working directory; None without git, repository or commit."""
    command = ["git", *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


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
