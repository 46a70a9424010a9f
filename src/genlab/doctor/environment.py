"""Python, packages, PATH, TensorFlow and its devices."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from genlab.doctor.finding import Finding, error, ok, warning
from genlab.runtime import workspace

PYTHONS = ((3, 11), (3, 12), (3, 13))
COMMANDS = ("python", "dvc", "mlflow", "genlab")
"""This environment's must be the first on PATH: dvc.yaml calls `python`."""
MAX_NAMED = 5
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
        return ok("python", f"{version}, {sys.prefix}")
    known = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    says = f"{version}; it must be one of {known}"
    return error("python", says, "Run: make setup PYTHON=python3.12")


def packages() -> Finding:
    """The installed packages against those of the lock."""
    is_gpu = (workspace.root() / ".venv" / ".installed-gpu").is_file()
    lock = workspace.root() / ("requirements-gpu.lock" if is_gpu else "requirements.lock")
    if not lock.is_file():
        return warning("packages", f"no {lock.name} to compare with", "Run it in the repository.")
    remedy = "Run: make setup GPU=1" if is_gpu else "Run: make setup"
    differing = list(_differing(lock))
    missing = [name for name, _, installed in differing if not installed]
    if missing:
        return error("packages", f"not installed: {_some(missing)}", remedy)
    if differing:
        texts = [f"{name} {installed} (lock: {locked})" for name, locked, installed in differing]
        return warning("packages", f"not as in {lock.name}: {_some(texts)}", remedy)
    return ok("packages", f"as in {lock.name}")


def _differing(lock: Path) -> Iterator[tuple[str, str, str]]:
    """Yields name, locked version and installed version, or "", of packages that differ."""
    from packaging.requirements import Requirement

    for line in re.findall(r"^[A-Za-z0-9].*?==.*?(?= *\\?$)", lock.read_text(), re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        locked = next(iter(requirement.specifier)).version
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            installed = ""
        if installed != locked:
            yield requirement.name, locked, installed


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def path() -> Finding:
    """Whether the commands on PATH are those of this environment."""
    folder = Path(sys.prefix) / "bin"
    places = {name: shutil.which(name) for name in COMMANDS}
    wrong = [
        f"{name} is {place or 'not found'}"
        for name, place in places.items()
        if place is None or Path(place).parent.resolve() != folder.resolve()
    ]
    if wrong:
        return warning("path", "; ".join(wrong), f'Run: export PATH="{folder}:$PATH"')
    return ok("path", f"{', '.join(COMMANDS)} are those of {folder}")


def tensorflow() -> Finding:
    """TensorFlow, imported in a process of its own, its devices and threads."""
    try:
        process = subprocess.run(
            [sys.executable, "-c", TENSORFLOW],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=TENSORFLOW_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        says = f"its import takes more than {TENSORFLOW_SECONDS:g} seconds"
        return warning("tensorflow", says, "Try again on a quiet machine; a training waits, too.")
    if process.returncode:
        lines = process.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"it ended with code {process.returncode}"
        return error("tensorflow", f"its import fails: {reason}", "Run: make setup")
    version, gpus, has_cuda = process.stdout.strip().splitlines()[-1].split("|")
    says = f"{version}, {gpus}, {threads()} threads"
    if gpus == "no GPU" and shutil.which("nvidia-smi"):
        remedy = "See nvidia-smi and the driver." if has_cuda == "True" else "Run: make setup GPU=1"
        return warning("tensorflow", f"{says}; this machine has an NVIDIA driver", remedy)
    return ok("tensorflow", says)


def threads() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
