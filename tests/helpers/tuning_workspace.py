"""A place where `genlab tune` runs as a process, on tiny budgets, for the tests of the search."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import tracking_workspace as lab
from fixtures_models import ROOT, TINY_TRAINING, tiny_entry
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from ruamel.yaml import YAML

from genlab.settings import params
from genlab.settings.params import read_yaml
from genlab.stages import features, fetch

TINY_SEARCH = {"startup_trials": 3, "num_images": 60, "num_reports": 3}
TINY_SEARCH |= {"finalists": 1, "num_seeds": 2}
RATE = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
SPACES: dict[str, dict[str, Any]] = {
    "autoencoder": RATE
    | {
        "sparsity_weight": {"low": 0.0, "high": 2.0},
        "reconstruction_loss": {"choices": ["l2", "l1"]},
    },
    "vae": RATE | {"kl_weight": {"low": 0.1, "high": 10.0, "log": True}},
    "gan": {
        "generator_learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "r1_weight": {"low": 0.0, "high": 1.0},
    },
}
NUM_TRIALS = 10
SECONDS_OF = ("train_seconds", "fit_seconds", "measure_seconds", "genlab.seconds")


@cache
def data() -> Path:
    """Returns a folder with the digits and their feature extractor, made once."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    write_params(folder)
    loaded = params.load(folder / "params.yaml")
    fetch.run(loaded, folder / "images")
    features.run(loaded, folder / "images", folder / "features")
    return folder


def values(search: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Returns the parameters of a tiny search of all models; `changes` are whole sections."""
    base = read_yaml(ROOT / "params.yaml")
    models = {kind: tiny_entry(kind, network="dense", batch_size=16, steps=40) for kind in SPACES}
    tune = {
        kind: {
            "steps": 30,
            "objective": "frechet_distance",
            "prune_by": "reconstruction_loss" if kind == "autoencoder" else "frechet_distance",
            "space": space,
        }
        for kind, space in SPACES.items()
    }
    evaluation = base["evaluation"] | {"num_images": 60, "num_repeats": 2}
    training = TINY_TRAINING | {"num_validation_images": 60, "density_images": 100}
    training |= {"log_every_steps": 10, "validate_every_steps": 20}
    ours = {"models": models, "training": training, "evaluation": evaluation, "tune": tune}
    ours |= {"profiles": {"default": {}}, "datasets": {"digits": {}}}
    ours |= {"search": base["search"] | TINY_SEARCH | (search or {})}
    return base | ours | changes


def write_params(root: Path, **changes: Any) -> None:
    """Writes `params.yaml` with the values of a tiny search."""
    YAML(typ="safe", pure=True).dump(values(**changes), root / "params.yaml")


def with_tune(model: str = "vae", **changes: Any) -> dict[str, Any]:
    """Returns the section `tune` with other values for one model."""
    section = values()["tune"]
    return section | {model: section.get(model, section["vae"]) | changes}


def environment(root: Path) -> dict[str, str]:
    """Returns the environment of a process at `root`."""
    own = ("DVC_", "MLFLOW_", "GENLAB_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {
        "PYTHONPATH": os.pathsep.join(paths),
        "DVC_ROOT": str(root),
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
    }


class Place:
    """A root of its own with parameters and an empty MLflow store."""

    def __init__(self, root: Path, **changes: Any):
        self.root = root
        self.changes = changes
        root.mkdir(exist_ok=True, parents=True)
        shutil.copyfile(lab._empty_store(), root / "mlflow.db")
        self.write(**changes)

    def write(self, **changes: Any) -> None:
        """Writes other parameters."""
        write_params(self.root, **changes)

    def start(self, model: str, *options: str) -> subprocess.Popen[bytes]:
        """Starts `genlab tune`; what it says is `said`."""
        paths = ["--images", str(data() / "images"), "--features", str(data() / "features")]
        command = [sys.executable, "-m", "genlab", "tune", model, *paths, *options]
        with (self.root / "said.txt").open("wb") as said:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=environment(self.root),
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def tune(self, model: str, trials: int, *options: str) -> int:
        """Runs `genlab tune` to its end; returns the exit status."""
        return self.start(model, "--trials", str(trials), *options).wait(timeout=300)

    @property
    def said(self) -> str:
        """Returns what the last process said, without progress bars."""
        text = (self.root / "said.txt").read_text()
        return "\n".join(line.rpartition("\r")[2] for line in text.splitlines())

    def folder(self, study: str) -> Path:
        """Returns where the study is kept."""
        return self.root / ".genlab" / "studies" / study

    def trials(self, study: str) -> list[FrozenTrial]:
        """Returns the trials in the journal, as they are at this moment."""
        path = self.folder(study) / "journal.log"
        if not path.is_file() or b"\n" not in path.read_bytes():
            return []
        storage = JournalStorage(JournalFileBackend(str(path)))
        studies = storage.get_all_studies()
        return storage.get_all_trials(studies[0]._study_id) if studies else []

    def facts(self, study: str) -> dict[str, Any]:
        """Returns what the study left behind."""
        return json.loads((self.root / "reports" / "studies" / study / "study.json").read_text())

    def runs(self) -> list[Any]:
        """Returns the MLflow runs of searches, oldest first."""
        return lab.runs("genlab-tune", f"sqlite:///{self.root}/mlflow.db")

    def processes(self) -> dict[int, str]:
        """Returns the command lines of the living processes that belong here, by their id."""
        mark = f"DVC_ROOT={self.root}\0".encode()
        return {pid: command for pid, command, environ in _processes() if mark in environ}


def _processes() -> list[tuple[int, str, bytes]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append((int(folder.name), command.replace(b"\0", b" ").decode(), environ))
    return found


def history(trials: list[FrozenTrial]) -> list[Any]:
    """Returns what must be equal, trial by trial: everything but times."""
    rows = []
    for trial in trials:
        facts = _without_times(trial.user_attrs)
        if "genlab.values" in facts:
            facts["genlab.values"] = _without_times(facts["genlab.values"])
        values = (trial.params, trial.values, trial.intermediate_values, facts)
        rows.append((trial.number, trial.state.name, *values))
    return rows


def _without_times(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in SECONDS_OF}


def wait_for(condition: Callable[[], Any], seconds: float = 60, pause: float = 0.02) -> Any:
    """Waits until something is so; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s in vain")


def kill(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """Sends a signal to one process alone, and waits for its end."""
    os.kill(process.pid, number)
    process.wait(timeout=60)
