"""What a training takes of the machine, under MLflow's names (`system/cpu_utilization_percentage`, ...).

Sampled where the training logs its metrics, by no thread of its own: it cannot hold a training up, and a training that
logs nothing is not sampled. `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false` turns it off,
`MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` says how many seconds lie between two samples.
"""

import logging
import os
import time
from typing import Any

PREFIX = "system/"
PAUSE_SECONDS = 5.0
_log = logging.getLogger(__name__)


class SystemMetrics:
    """Processor, memory, and graphics cards where `nvidia-ml-py` is installed."""

    def __init__(self) -> None:
        """Samples for the first time after a pause."""
        self._pause = float(
            os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or PAUSE_SECONDS
        )
        self._is_on = os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true").lower() in (
            "true",
            "1",
        )
        self._due_at = time.monotonic() + self._pause
        self._monitors: list[Any] = []

    def sample(self) -> dict[str, float]:
        """Returns what is measured now, by name; nothing where it is off, or before its time."""
        if not self._is_on or time.monotonic() < self._due_at:
            return {}
        self._due_at = time.monotonic() + self._pause
        try:
            return self._measure()
        except Exception as error:  # a machine that cannot be measured trains none the worse
            self._is_on = False
            _log.warning("System metrics are off: %s", error)
            return {}

    def _measure(self) -> dict[str, float]:
        self._monitors = self._monitors or _monitors()
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {
                PREFIX + name: float(value) for name, value in monitor.aggregate_metrics().items()
            }
            monitor.clear_metrics()
        return found


def _monitors() -> list[Any]:
    """Returns MLflow's own monitors, those that work on this machine."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):  # no package, or no card
        return [CPUMonitor()]
