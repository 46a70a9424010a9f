"""Memory and disk."""

import shutil
from pathlib import Path

from genlab.doctor.finding import ERROR, OK, WARNING, Finding
from genlab.runtime import workspace

GIGABYTE = 2**30
NEEDED_MEMORY = 2.0
"""Gigabytes that the whole pipeline takes on MNIST with default settings, about."""
NEEDED_DISK, LEAST_DISK = 3.0, 0.3
"""Gigabytes: for MNIST with its downloads, DVC's cache and some experiments; for digits."""
MEMORY = Path("/proc/meminfo")


def memory() -> Finding:
    """The memory that is free."""
    if not MEMORY.is_file():
        return Finding("memory", OK, "not known on this system")
    facts = {line.split(":")[0]: int(line.split()[1]) for line in MEMORY.read_text().splitlines()}
    free = facts["MemAvailable"] * 1024 / GIGABYTE
    says = f"{free:.1f} GB free"
    if free < NEEDED_MEMORY:
        remedy = "End other programs; or lower batch_size and training.resident_megabytes in params.yaml."
        return Finding("memory", WARNING, f"{says}; {NEEDED_MEMORY:g} are enough for MNIST", remedy)
    return Finding("memory", OK, says)


def disk() -> Finding:
    """The room on the disk of the workspace."""
    free = shutil.disk_usage(workspace.root()).free / GIGABYTE
    says = f"{free:.1f} GB free in {workspace.root()}"
    if free >= NEEDED_DISK:
        return Finding("disk", OK, says)
    remedy = "Make room: dvc gc --workspace removes what no experiment of now needs; make clean what runs have made."
    return Finding("disk", ERROR if free < LEAST_DISK else WARNING, says, remedy)
