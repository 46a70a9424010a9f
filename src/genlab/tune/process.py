"""A trial's process as the tuner sees it: started, answered, and ended if it takes too long."""

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
from genlab.tune.trial import TrialOrder

PRELOADED = ["genlab.tune.before_fork", "genlab.tune.trial"]
GRACE_SECONDS = 5.0
STOP_SECONDS = 0.5

Report = Callable[[int, float], bool]
"""Takes a step and a value, returns whether the trial goes on."""


class Outcome(NamedTuple):
    """How a trial ended: `done`, `pruned`, `failed`, or `stopped` together with the tuner."""

    state: str
    values: dict[str, float] | None = None
    reason: str = ""
    seconds: float = 0.0
    train_key: str | None = None


@cache
def _context() -> ForkServerContext:
    """Returns a context whose processes are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run(
    order: TrialOrder, report: Report, limit_seconds: float | None, stop: threading.Event
) -> Outcome:
    """Runs one trial to its end; if it is killed from outside, once more."""
    started = time.monotonic()
    outcome = _attempt(order, report, limit_seconds, stop)
    if outcome.state == "killed":
        outcome = _attempt(order, report, limit_seconds, stop)
    if outcome.state == "killed":
        reason = f"{outcome.reason} twice: out of memory, or by hand"
        outcome = outcome._replace(state="failed", reason=reason)
    return outcome._replace(seconds=time.monotonic() - started)


def _attempt(
    order: TrialOrder, report: Report, limit_seconds: float | None, stop: threading.Event
) -> Outcome:
    context = _context()
    ours, theirs = context.Pipe()
    alive, breath = context.Pipe(duplex=False)
    process = context.Process(target=trial.run, args=(order, theirs, alive), daemon=False)
    process.start()
    theirs.close()
    alive.close()
    try:
        return _Listener(ours, process, report, limit_seconds).listen(stop)
    finally:
        process.kill()
        process.join()
        breath.close()
        ours.close()


class _Listener:
    """Takes the messages of a trial's process (see `trial.run`), and answers them."""

    def __init__(
        self, connection: Any, process: BaseProcess, report: Report, limit_seconds: float | None
    ):
        self._connection = connection
        self._process = process
        self._report = report
        self._limit = limit_seconds or float("inf")
        self._train_key: str | None = None

    def listen(self, stop: threading.Event) -> Outcome:
        """Returns when the process ends, or when its time is over."""
        deadline = time.monotonic() + self._limit
        outcome = None
        while outcome is None:
            if stop.is_set():
                outcome = Outcome("stopped")
            elif time.monotonic() > deadline:
                outcome = Outcome("failed", reason=f"took longer than {self._limit:g} s")
            elif self._connection.poll(0.2):
                outcome = self._receive(stop)
        return outcome._replace(train_key=self._train_key)

    def _receive(self, stop: threading.Event) -> Outcome | None:
        """Returns how the trial ended, if the next message, or the end of messages, says so."""
        try:
            kind, *facts = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(GRACE_SECONDS)
            is_stopped = stop.wait(STOP_SECONDS)  # Ctrl-C may reach the process before the tuner
            return Outcome("stopped") if is_stopped else _silent_end(self._process.exitcode)
        if kind == "begun":
            (self._train_key,) = facts
            return None
        if kind == "report":
            goes_on = self._report(*facts)
            with suppress(OSError):  # the process was killed: its end is the next message
                self._connection.send(goes_on)
            return None
        self._process.join(GRACE_SECONDS)
        return Outcome(kind, *facts)


def _silent_end(code: int | None) -> Outcome:
    if code is not None and code < 0:
        return Outcome("killed", reason=f"was killed by {signal.Signals(-code).name}")
    return Outcome("failed", reason=f"ended with the exit status {code}")
