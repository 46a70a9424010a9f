"""What the benchmark ran on, without anything that names the machine."""

import importlib.util
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "mlflow", "torch")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def facts() -> dict[str, Any]:
    """Returns processor, cores, memory, what it can do in bfloat16, and versions."""
    cpu, memory = (_read(Path("/proc") / name) for name in ("cpuinfo", "meminfo"))
    model, total = re.search(r"model name\s*: (.+)", cpu), re.search(r"MemTotal:\s+(\d+)", memory)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(int(total[1]) / 2**20, 1) if total else None,
        "bfloat16": sorted(BFLOAT16_FLAGS & set(cpu.split())),
        "system": platform.system(),
        "versions": {"python": platform.python_version()} | _versions(),
    }


def has_torch() -> bool:
    """Returns whether PyTorch is installed; it is no dependency of ours."""
    return importlib.util.find_spec("torch") is not None


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
