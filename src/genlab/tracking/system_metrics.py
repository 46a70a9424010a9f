"""What a training takes of the machine, under MLflow's names (`system/cpu_utilization_percentage`).

MLflow's own monitor samples in a thread. Here the training samples when it logs its metrics: no
thread can delay it. `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false` turns it off, and
`MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` is the number of seconds between two samples.
"""

import logging
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor

PREFIX = "system/"
PAUSE_SECONDS = 5.0
_log = logging.getLogger(__name__)


class SystemMetrics:
    """Processor, memory, and graphics cards if `nvidia-ml-py` is installed."""

    def __init__(self) -> None:
        """Takes its first sample after a pause."""
        pause = os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL")
        is_on = os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
        self._pause = float(pause or PAUSE_SECONDS)
        self._is_on = is_on.lower() in ("true", "1")
        self._due_at = time.monotonic() + self._pause
        self._monitors: list[BaseMetricsMonitor] = []

    def sample(self) -> dict[str, float]:
        """Returns the present values by name; nothing when it is off or not yet due."""
        if not self._is_on or time.monotonic() < self._due_at:
            return {}
        self._due_at = time.monotonic() + self._pause
        try:
            return self._measure()
        except Exception as error:  # a machine that cannot be measured must not stop a training
            self._is_on = False
            _log.warning("System metrics are off: %s", error)
            return {}

    def _measure(self) -> dict[str, float]:
        self._monitors = self._monitors or _monitors()
        values: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            values |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        return {PREFIX + name: float(value) for name, value in values.items()}


def _monitors() -> "list[BaseMetricsMonitor]":
    """Returns those of MLflow's monitors that work on this machine."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):  # no package, or no card
        return [CPUMonitor()]
