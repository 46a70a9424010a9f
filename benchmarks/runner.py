"""Starts contestants, one process per measurement, and hands back what they measured."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import workloads

TIMEOUT_SECONDS = 900
QUIET_SHARE = 0.05
"""A measurement during which other processes took more of the machine is repeated ..."""
TRIES = 3
"""... this often at most; the least disturbed one counts."""

Measurement = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long."""

    models: tuple[str, ...]
    precisions: tuple[str, ...]
    rounds: int
    seconds: float


@dataclass
class Runner:
    """Runs contestants on generated data sets in the folder `work`."""

    work: Path
    seconds: float
    _datasets: dict[int, Path] = field(default_factory=dict)

    def dataset(self, num_images: int) -> Path:
        """Returns the folder of a data set with so many training images, written at its first use."""
        if num_images not in self._datasets:
            self._datasets[num_images] = workloads.write_dataset(
                self.work / f"images-{num_images}", num_images
            )
        return self._datasets[num_images]

    def run(
        self, module: str, model: str, precision: str, num_images: int, **options: Any
    ) -> Measurement:
        """Returns a measurement of one contestant; where it fails, an `error` and nothing else."""
        words = {
            "precision": precision,
            "data": self.dataset(num_images),
            "seconds": self.seconds,
            **options,
        }
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in words.items()]
        results: list[Measurement] = []
        for _ in range(TRIES):
            results.append(self.start(module, model, *arguments))
            if results[-1].get("others_share", 0.0) <= QUIET_SHARE:
                break
        best = min(results, key=lambda result: result.get("others_share", 0.0))
        speed = (
            f"{best['images_per_second']:,.0f} images/s"
            if "images_per_second" in best
            else best.get("error", "done")
        )
        chosen = " ".join(str(value) for value in options.values() if value)
        print(
            f"{model}, {num_images:,} images, {precision}: {module} {chosen}: {speed}",
            file=sys.stderr,
        )
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
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.work,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"took longer than {TIMEOUT_SECONDS} seconds"}
        lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or [
            "ended without a word"
        ]
        return {"error": lines[-1]} if done.returncode else json.loads(lines[-1])
