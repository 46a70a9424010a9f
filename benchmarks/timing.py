"""Steady speed; compiling, tracing and warming up are timed apart."""

import os
import time
from collections.abc import Callable
from pathlib import Path

WARM_UP_SECONDS = 1.0
CALL_SECONDS = 0.4


def measure(
    advance: Callable[[int], object], images_per_step: int, seconds: float, started: float
) -> dict[str, float]:
    """Returns the steady speed of `advance`, which returns after the given number of steps.

    Args:
        advance: The contestant.
        images_per_step: Training images that one step takes.
        seconds: How long the steady speed is measured, after the first step and a warm-up.
        started: `time.perf_counter()` after the imports.
    """
    advance(1)
    first_step_seconds = time.perf_counter() - started
    count, warm_until = 1, time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < warm_until:
        called = time.perf_counter()
        advance(count)
        count = max(1, round(count * min(CALL_SECONDS / (time.perf_counter() - called), 8)))
    steps, watch = 0, Watch()
    while watch.seconds < seconds:
        advance(count)
        steps += count
    return {"first_step_seconds": first_step_seconds} | watch.speed(steps * images_per_step)


class Watch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._own = time.process_time()
        self._others = others_seconds()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def speed(self, num_images: int) -> dict[str, float]:
        """Returns images per second since the start, and other processes' share of the machine."""
        seconds, own = self.seconds, time.process_time() - self._own
        share = (others_seconds() - self._others) / (seconds * (os.cpu_count() or 1))
        return {
            "images_per_second": num_images / seconds,
            "seconds": seconds,
            "cpu_seconds": own,
            "others_share": max(0.0, share),
        }


def others_seconds() -> float:
    """Returns the seconds that other processes have computed here, with those its host took.

    0 without `/proc/stat`.
    """
    stat = Path("/proc/stat")
    if not stat.is_file():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    ticks, own = user + nice + system + irq + softirq + steal, os.times()
    return ticks / os.sysconf("SC_CLK_TCK") - own.user - own.system
