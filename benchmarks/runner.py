"""Starts contestants, one process per measurement, and returns what they measured."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.summary import Measurement

TIMEOUT_SECONDS = 900
QUIET_SHARE = 0.05
"""A measurement during which other processes took more of the machine is repeated ..."""
TRIES = 3
"""... this often at most; the least disturbed one counts."""


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long."""

    models: tuple[str, ...]
    precisions: tuple[str, ...]
    rounds: int
    seconds: float


@dataclass(frozen=True)
class Case:
    """One measurement: a contestant's module, a workload, a precision, a number of images."""

    module: str
    model: str
    precision: str
    num_images: int


@dataclass
class Runner:
    """Runs contestants on generated data sets in the folder `work`."""

    work: Path
    seconds: float
    _datasets: dict[int, Path] = field(default_factory=dict)

    def dataset(self, num_images: int) -> Path:
        """Returns a data set with so many training images, written at its first use."""
        if num_images not in self._datasets:
            folder = self.work / f"images-{num_images}"
            self._datasets[num_images] = workloads.write_dataset(folder, num_images)
        return self._datasets[num_images]

    def run(self, case: Case, **options: Any) -> Measurement:
        """Returns a measurement of one contestant; if it fails, an `error` and nothing else."""
        words = {"precision": case.precision, "data": self.dataset(case.num_images)}
        words |= {"seconds": self.seconds, **options}
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in words.items()]
        results: list[Measurement] = []
        for _ in range(TRIES):
            results.append(self.start(case.module, case.model, *arguments))
            if results[-1].get("others_share", 0.0) <= QUIET_SHARE:
                break
        best = min(results, key=lambda result: result.get("others_share", 0.0))
        outcome = best.get("error", "done")
        if "images_per_second" in best:
            outcome = f"{best['images_per_second']:,.0f} images/s"
        chosen = " ".join([case.module, *(str(value) for value in options.values() if value)])
        name = f"{case.model}, {case.num_images:,} images, {case.precision}"
        print(f"{name}: {chosen}: {outcome}", file=sys.stderr)
        return best

    def start(self, module: str, *arguments: str) -> Measurement:
        """Runs `python -m benchmarks.<module>` and returns the JSON of its last line."""
        paths = [str(workloads.ROOT), str(workloads.ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "TORCHINDUCTOR_CACHE_DIR": str(self.work / "inductor"),
        }
        try:
            process = subprocess.run(
                [sys.executable, "-m", f"benchmarks.{module}", *arguments],
                cwd=self.work,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"took longer than {TIMEOUT_SECONDS} seconds"}
        output = process.stderr if process.returncode else process.stdout
        last = (output.strip().splitlines() or ["ended without a word"])[-1]
        return {"error": last} if process.returncode else json.loads(last)
