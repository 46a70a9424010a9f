"""A copy of the repository that a test may change and run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.org"]


def environment() -> dict[str, str]:
    """Returns an environment with the tests' `python` and `dvc`, and nothing of DVC or MLflow."""
    outside = ("DVC_", "MLFLOW_", "GENLAB_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}


def run(folder: Path, *command: str) -> str:
    process = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    output = f"{' '.join(command)}\n{process.stdout[-3000:]}\n{process.stderr[-3000:]}"
    assert process.returncode == 0, output
    return process.stdout


def edit(folder: Path, **changes: Any) -> None:
    """Changes params.yaml: sections are updated, other values replaced."""
    yaml, path = YAML(), folder / "params.yaml"
    values = yaml.load(path)
    for section, content in changes.items():
        if isinstance(content, dict):
            values[section].update(content)
        else:
            values[section] = content
    yaml.dump(values, path)


def read_yaml(folder: Path, name: str = "params.yaml") -> dict[str, Any]:
    return YAML(typ="safe").load(folder / name)


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", *IDENTITY, "commit", "-qm", message)


def copy_repository(folder: Path) -> None:
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "-q")
