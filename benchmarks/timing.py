"""Steady speed: what is compiled, traced or warmed up on the way to it is timed apart."""

import os
import time
from collections.abc import Callable
from pathlib import Path

WARM_UP_SECONDS = 1.0
CALL_SECONDS = 0.4


def measure(
    advance: Callable[[int], object], images_per_step: int, seconds: float, started: float
) -> dict[str, float]:
    """Returns the steady speed of `advance`, which makes as many steps as it is told and returns when they are made.

    Args:
        advance: The contestant.
        images_per_step: Training images that one step takes.
        seconds: How long the steady speed is measured, after the first step and a second of warming up.
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
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._started, self._own, self._others = (
            time.perf_counter(),
            time.process_time(),
            others_seconds(),
        )

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started

    def speed(self, num_images: int) -> dict[str, float]:
        """Returns images per second until now, and the share of the machine that other processes took meanwhile."""
        seconds, own = self.seconds, time.process_time() - self._own
        share = (others_seconds() - self._others) / (seconds * (os.cpu_count() or 1))
        return {
            "images_per_second": num_images / seconds,
            "seconds": seconds,
            "cpu_seconds": own,
            "others_share": max(0.0, share),
        }


def others_seconds() -> float:
    """Returns the seconds that other processes have computed on this machine, time stolen by its host included.

    0 where there is no `/proc/stat`.
    """
    stat = Path("/proc/stat")
    if not stat.is_file():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    own = os.times()
    return (
        (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        - own.user
        - own.system
    )
