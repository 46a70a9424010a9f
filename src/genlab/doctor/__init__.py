"""What a run needs, looked at in seconds, offline; each finding says what to do.

environment   Python, packages, PATH, TensorFlow and its devices
machine       memory, disk
project       params.yaml, data, tracker, DVC remote, git
finding       what a check says

Every check is a function that returns a Finding; it runs in a thread of its own, and one that does not come back in
time is a warning.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from genlab.doctor import environment, machine, project
from genlab.doctor.finding import ERROR, OK, WARNING, Finding

__all__ = ["CHECKS", "ERROR", "OK", "WARNING", "Finding", "examine"]

TIMEOUT_SECONDS = 9.0
"""For all checks together: TensorFlow alone takes 3 to 9 seconds to import."""
CHECKS: tuple[Callable[[], Finding], ...] = (
    environment.python,
    environment.packages,
    environment.path,
    environment.tensorflow,
    machine.memory,
    machine.disk,
    project.params,
    project.data,
    project.tracker,
    project.remote,
    project.git,
)


def examine(
    checks: Sequence[Callable[[], Finding]] = CHECKS, timeout_seconds: float = TIMEOUT_SECONDS
) -> Iterable[Finding]:
    """Yields the findings in the order of the checks, which run at once.

    Args:
        checks: What is looked at.
        timeout_seconds: For all of them together.
    """
    deadline = time.monotonic() + timeout_seconds
    answers = [_start(check) for check in checks]
    for check, answer in zip(checks, answers, strict=True):
        try:
            yield answer.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            yield Finding(
                check.__name__,
                WARNING,
                f"no answer within {timeout_seconds:g} seconds",
                "Try again on a quiet machine.",
            )


def _start(check: Callable[[], Finding]) -> "queue.Queue[Finding]":
    """Runs a check in a thread that does not keep the process alive."""
    answer: queue.Queue[Finding] = queue.Queue()

    def run() -> None:
        try:
            answer.put(check())
        except Exception as error:  # a defect of one check must not hide what the others say
            says = f"the check failed: {type(error).__name__}: {' '.join(str(error).split())}"
            answer.put(Finding(check.__name__, ERROR, says, "Report this as a defect of genlab."))

    threading.Thread(target=run, daemon=True).start()
    return answer
