"""`genlab doctor`: checks everything a run needs, in seconds and offline; says what to do.

environment   Python, packages, PATH, TensorFlow and its devices
machine       memory, disk
project       folder, params.yaml, data, tracker, DVC remote, git
repair        what a killed DVC left half-written
finding       the result of a check

A check is a function that returns a Finding. Each runs in a thread of its own; one that does not
answer in time is a warning.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from genlab.doctor import environment, machine, project, repair
from genlab.doctor.finding import Finding, error, warning

Check = Callable[[], Finding]
TIMEOUT_SECONDS = 9.0
"""For all checks together: importing TensorFlow alone takes 3 to 9 seconds."""
CHECKS: tuple[Check, ...] = (
    environment.python,
    environment.packages,
    environment.path,
    environment.tensorflow,
    machine.memory,
    machine.disk,
    project.place,
    project.params,
    project.data,
    project.tracker,
    project.remote,
    project.git,
    repair.dvc,
)


def examine(
    checks: Sequence[Check] = CHECKS, timeout_seconds: float = TIMEOUT_SECONDS
) -> Iterable[Finding]:
    """Yields the findings in the order of the checks, which run in parallel.

    Args:
        checks: The checks.
        timeout_seconds: For all of them together.
    """
    deadline = time.monotonic() + timeout_seconds
    answers = [_start(check) for check in checks]
    for check, answer in zip(checks, answers, strict=True):
        try:
            yield answer.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            says = f"no answer within {timeout_seconds:g} seconds"
            yield warning(check.__name__, says, "Try again on a quiet machine.")


def _start(check: Check) -> "queue.Queue[Finding]":
    """Runs a check in a thread that does not keep the process alive."""
    answer: queue.Queue[Finding] = queue.Queue()

    def run() -> None:
        try:
            answer.put(check())
        except Exception as problem:  # a defect of one check must not hide the other findings
            says = f"the check failed: {type(problem).__name__}: {' '.join(str(problem).split())}"
            answer.put(error(check.__name__, says, "Report this as a defect of genlab."))

    threading.Thread(target=run, daemon=True).start()
    return answer
