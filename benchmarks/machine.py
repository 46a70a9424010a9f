"""What the benchmark ran on, without anything that names the machine."""

import importlib.util
import os
import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "mlflow", "torch")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def facts() -> dict[str, Any]:
    """Returns processor, cores, memory, support of bfloat16, and versions."""
    cpu, memory = (_read(Path("/proc") / name) for name in ("cpuinfo", "meminfo"))
    model, total = re.search(r"model name\s*: (.+)", cpu), re.search(r"MemTotal:\s+(\d+)", memory)
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(int(total[1]) / 2**20, 1) if total else None,
        "bfloat16": sorted(BFLOAT16_FLAGS & set(cpu.split())),
        "system": platform.system(),
        "versions": versions,
    }


def has_torch() -> bool:
    """Returns whether PyTorch is installed; it is not one of our dependencies."""
    return importlib.util.find_spec("torch") is not None


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
