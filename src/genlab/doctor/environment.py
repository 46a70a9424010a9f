"""Python, packages, PATH, TensorFlow and its devices."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from genlab.doctor.finding import ERROR, OK, WARNING, Finding
from genlab.runtime import workspace

PYTHONS = ((3, 11), (3, 12), (3, 13))
COMMANDS = ("python", "dvc", "mlflow", "genlab")
"""Of which those of this environment must be the first on PATH: dvc.yaml calls `python`."""
TENSORFLOW_SECONDS = 8.5
TENSORFLOW = """
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
print(tf.__version__, ", ".join(names) or "no GPU", tf.test.is_built_with_cuda(), sep="|")
"""


def python() -> Finding:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] in PYTHONS:
        return Finding("python", OK, f"{version}, {sys.prefix}")
    known = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    return Finding(
        "python",
        ERROR,
        f"{version}; it must be one of {known}",
        "Run: make setup PYTHON=python3.12",
    )


def packages() -> Finding:
    """The installed packages against those that the lock names."""
    is_gpu = (workspace.root() / ".venv" / ".installed-gpu").is_file()
    lock = workspace.root() / ("requirements-gpu.lock" if is_gpu else "requirements.lock")
    if not lock.is_file():
        return Finding(
            "packages", WARNING, f"no {lock.name} to compare with", "Run it in the repository."
        )
    remedy = "Run: make setup GPU=1" if is_gpu else "Run: make setup"
    wrong = list(_differing(lock))
    missing = [name for name, _, found in wrong if not found]
    others = [f"{name} {found} (lock: {version})" for name, version, found in wrong if found]
    if missing:
        return Finding("packages", ERROR, f"not installed: {_some(missing)}", remedy)
    if others:
        return Finding("packages", WARNING, f"not as in {lock.name}: {_some(others)}", remedy)
    return Finding("packages", OK, f"as in {lock.name}")


def _differing(lock: Path) -> Iterator[tuple[str, str, str]]:
    """Yields name, locked version and installed version (or nothing) of packages that are not as in the lock."""
    from packaging.requirements import Requirement

    for line in re.findall(r"^[A-Za-z0-9].*?==.*?(?= *\\?$)", lock.read_text(), re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        version = next(iter(requirement.specifier)).version
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            found = ""
        if found != version:
            yield requirement.name, version, found


def _some(names: list[str], number: int = 5) -> str:
    more = f" and {len(names) - number} more" if len(names) > number else ""
    return ", ".join(names[:number]) + more


def path() -> Finding:
    """Whether the commands on PATH are those of this environment."""
    folder = Path(sys.prefix) / "bin"
    remedy = f'Run: export PATH="{folder}:$PATH"'
    places = {name: shutil.which(name) for name in COMMANDS}
    wrong = [
        f"{name} is {place or 'not found'}"
        for name, place in places.items()
        if not _lies_in(place, folder)
    ]
    if wrong:
        return Finding("path", WARNING, "; ".join(wrong), remedy)
    return Finding("path", OK, f"{', '.join(COMMANDS)} are those of {folder}")


def _lies_in(place: str | None, folder: Path) -> bool:
    return place is not None and Path(place).parent.resolve() == folder.resolve()


def tensorflow() -> Finding:
    """TensorFlow, imported in a process of its own, its devices and threads."""
    command = [sys.executable, "-c", TENSORFLOW]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command,
            env=quiet,
            capture_output=True,
            text=True,
            timeout=TENSORFLOW_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        says = f"its import takes more than {TENSORFLOW_SECONDS:g} seconds"
        return Finding(
            "tensorflow", WARNING, says, "Try again on a quiet machine; a training waits, too."
        )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
        return Finding("tensorflow", ERROR, f"its import fails: {said}", "Run: make setup")
    version, gpus, has_cuda = done.stdout.strip().splitlines()[-1].split("|")
    says = f"{version}, {gpus}, {threads()} threads"
    if (
        gpus == "no GPU"
        and (has_nvidia := shutil.which("nvidia-smi"))
        and Path(has_nvidia).is_file()
    ):
        remedy = "See nvidia-smi and the driver." if has_cuda == "True" else "Run: make setup GPU=1"
        return Finding("tensorflow", WARNING, f"{says}; this machine has an NVIDIA driver", remedy)
    return Finding("tensorflow", OK, says)


def threads() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
