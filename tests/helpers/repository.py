"""A copy of the repository that a test may change and run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.org"]


def environment() -> dict[str, str]:
    """Returns an environment with the tests' programs, without settings of DVC or MLflow."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "MLFLOW_", "GENLAB_"))
    }
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


def edit(folder: Path, **changes: dict) -> None:
    yaml, path = YAML(), folder / "params.yaml"
    values = yaml.load(path)
    for section, content in changes.items():
        if isinstance(content, dict):
            values[section].update(content)
        else:
            values[section] = content
    yaml.dump(values, path)


def read_yaml(folder: Path) -> dict:
    return YAML(typ="safe").load(folder / "params.yaml")


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", *IDENTITY, "commit", "-qm", message)


def copy_repository(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "-q")
