"""Ctrl-C and SIGTERM as exceptions, but never inside TensorFlow or a database's write.

When TensorFlow's C++ calls Python back, it expects no exception: one ends the process by SIGSEGV or
SIGABRT, or becomes another one (docs/decisions/0011-stopping.md). So the exception waits until
TensorFlow has returned to its caller.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

EXIT_CODES = SIGINT_EXIT_CODE, SIGTERM_EXIT_CODE = 130, 143
TraceFunction = Callable[[FrameType, str, Any], Any]
UNINTERRUPTED = {"tensorflow", "keras"}
"""Functions of these packages finish first."""


class Stopped(SystemExit):
    """SIGTERM was received."""


def install() -> None:
    """Makes SIGINT raise KeyboardInterrupt and SIGTERM raise Stopped as soon as it is safe.

    A second signal raises at once. A SIGINT that the parent process has set to be ignored, as a
    shell does for background processes, stays ignored.
    """
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    error = KeyboardInterrupt() if number == signal.SIGINT else Stopped(SIGTERM_EXIT_CODE)
    busy = _outermost(frame)
    if busy is None or sys.gettrace() is _trace_nothing:
        sys.settrace(None)
        raise error

    def raise_on_return(frame: FrameType, event: str, argument: Any) -> TraceFunction:
        del frame, argument
        if event == "return":
            sys.settrace(None)
            raise error
        return raise_on_return

    with suppress(OSError):  # a closed standard error
        os.write(2, b"\nstopping when TensorFlow is done with this; once more to stop at once\n")
    busy.f_trace, busy.f_trace_lines = raise_on_return, False
    sys.settrace(_trace_nothing)


def _outermost(frame: FrameType | None) -> FrameType | None:
    """Returns the outermost running frame of an uninterrupted package; None if there is none."""
    outermost = None
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in UNINTERRUPTED:
            outermost = frame
        frame = frame.f_back
    return outermost


def _trace_nothing(frame: FrameType, event: str, argument: Any) -> None:
    """The trace function of all other frames: without one, Python calls no frame's own."""


@contextmanager
def deferred() -> Iterator[None]:
    """Delays SIGINT and SIGTERM to the block's end: an exception in a database's write locks it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    former = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])
