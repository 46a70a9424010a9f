"""Memory and disk."""

import shutil
from pathlib import Path

from genlab.doctor import finding
from genlab.doctor.finding import Finding, ok, warning
from genlab.runtime import workspace

GIGABYTE = 2**30
NEEDED_MEMORY = 2.0
"""Gigabytes that the whole pipeline takes on MNIST with default settings, about."""
NEEDED_DISK, LEAST_DISK = 3.0, 0.3
"""Gigabytes: for MNIST with its downloads, DVC's cache and some experiments; for digits."""
MEMORY = Path("/proc/meminfo")


def memory() -> Finding:
    """The free memory."""
    if not MEMORY.is_file():
        return ok("memory", "not known on this system")
    facts = {line.split(":")[0]: int(line.split()[1]) for line in MEMORY.read_text().splitlines()}
    free = facts["MemAvailable"] * 1024 / GIGABYTE
    says = f"{free:.1f} GB free"
    if free >= NEEDED_MEMORY:
        return ok("memory", says)
    lower = "lower batch_size and training.resident_megabytes in params.yaml"
    remedy = f"End other programs, or {lower}."
    return warning("memory", f"{says}; {NEEDED_MEMORY:g} are enough for MNIST", remedy)


def disk() -> Finding:
    """The free space on the workspace's disk."""
    free = shutil.disk_usage(workspace.root()).free / GIGABYTE
    says = f"{free:.1f} GB free in {workspace.root()}"
    if free >= NEEDED_DISK:
        return ok("disk", says)
    remedy = "Make room: dvc gc --workspace removes old results, make clean the present ones."
    return (finding.error if free < LEAST_DISK else warning)("disk", says, remedy)
