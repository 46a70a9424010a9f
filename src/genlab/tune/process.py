"""A trial's process as the tuner sees it: started, listened to, and ended where it takes too long."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from genlab.tune import trial
from genlab.tune.trial import Order

PRELOADED = ["genlab.tune.imports", "genlab.tune.trial"]
GRACE_SECONDS = 5.0
STOP_SECONDS = 0.5

Report = Callable[[int, float], bool]
"""Takes a step and a value, says whether to go on."""


class Outcome(NamedTuple):
    """What came of a trial: `state` is `done`, `pruned`, `failed` or `stopped` (the tuner itself was)."""

    state: str
    values: dict[str, float] | None = None
    reason: str = ""
    seconds: float = 0.0
    train_key: str | None = None
    has_spoken: bool = False
    """Whether the process itself said so, and is about to end."""


@cache
def _context() -> ForkServerContext:
    """Returns how processes are made: forked from one that has imported all, and done nothing yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run(
    order: Order, report: Report, limit_seconds: float | None, stop: threading.Event
) -> Outcome:
    """Runs one trial to its end; one that was killed from outside is tried once more."""
    started = time.monotonic()
    for attempt in (1, 2):
        outcome = _attempt(order, report, limit_seconds, stop)
        if outcome.state != "killed":
            break
        if attempt == 2:
            outcome = outcome._replace(
                state="failed", reason=f"{outcome.reason} twice: out of memory, or by hand"
            )
    return outcome._replace(seconds=time.monotonic() - started)


def _attempt(
    order: Order, report: Report, limit_seconds: float | None, stop: threading.Event
) -> Outcome:
    context = _context()
    ours, theirs = context.Pipe()
    alive, breath = context.Pipe(duplex=False)
    process = context.Process(target=trial.run, args=(order, theirs, alive), daemon=False)
    process.start()
    theirs.close()
    alive.close()
    listener = _Listener(ours, process, report, limit_seconds)
    try:
        outcome = listener.listen(stop)
        if outcome.has_spoken:
            process.join(GRACE_SECONDS)
        return outcome._replace(train_key=listener.train_key)
    finally:
        process.kill()
        process.join()
        breath.close()
        ours.close()


class _Listener:
    """Takes what a process says, and answers."""

    def __init__(
        self, connection: Any, process: BaseProcess, report: Report, limit_seconds: float | None
    ):
        self._connection, self._process, self._report, self._limit = (
            connection,
            process,
            report,
            limit_seconds,
        )
        self._deadline = time.monotonic() + (limit_seconds or float("inf"))
        self.train_key: str | None = None

    def listen(self, stop: threading.Event) -> Outcome:
        """Returns when the process has come to an end, or its time has."""
        while not stop.is_set():
            if time.monotonic() > self._deadline:
                return Outcome("failed", reason=f"took longer than {self._limit:g} s")
            if not self._connection.poll(0.2):
                continue
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                self._process.join(GRACE_SECONDS)
                if stop.wait(
                    STOP_SECONDS
                ):  # Ctrl-C is for the process, too: it may end before the tuner hears of it
                    break
                return _end_without_a_word(self._process)
            if outcome := self._take(*message):
                return outcome
        return Outcome("stopped")

    def _take(self, what: str, *facts: Any) -> Outcome | None:
        if what == "begun":
            (self.train_key,) = facts
            return None
        if what == "report":
            answer = self._report(*facts)
            with suppress(
                OSError
            ):  # it was killed while it waited for this: its end is what is read next
                self._connection.send(answer)
            return None
        found = Outcome("failed", reason=facts[0]) if what == "failed" else Outcome(what, *facts)
        return found._replace(has_spoken=True)


def _end_without_a_word(process: BaseProcess) -> Outcome:
    code = process.exitcode
    if code is not None and code < 0:
        return Outcome("killed", reason=f"was killed by {signal.Signals(-code).name}")
    return Outcome("failed", reason=f"ended with the exit status {code}")
