"""Ctrl-C and SIGTERM: an exception, but none in the middle of TensorFlow or of a database's write.

Where TensorFlow's C++ calls Python back, an exception is not expected: it ends the process by SIGSEGV or SIGABRT, or
becomes another one (docs/decisions/0011-stopping.md). So it waits until TensorFlow has returned to who called it.
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
"""The packages whose functions come to their end first."""


class Stopped(SystemExit):
    """SIGTERM was received."""


def install() -> None:
    """Has SIGINT raise KeyboardInterrupt and SIGTERM raise Stopped, as soon as it is safe; a second one, at once.

    A SIGINT that the parent has this process ignore, as a shell does for what runs in the background, stays ignored.
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

    with suppress(OSError):  # nobody reads it
        os.write(2, b"\nstopping when TensorFlow is done with this; once more to stop at once\n")
    busy.f_trace, busy.f_trace_lines = raise_on_return, False
    sys.settrace(_trace_nothing)


def _outermost(frame: FrameType | None) -> FrameType | None:
    """Returns the frame of TensorFlow's function that was called from outside; None where none of them runs."""
    outermost = None
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in UNINTERRUPTED:
            outermost = frame
        frame = frame.f_back
    return outermost


def _trace_nothing(frame: FrameType, event: str, argument: Any) -> None:
    """Is the trace function of all other frames: without one, Python calls that of no frame."""


@contextmanager
def deferred() -> Iterator[None]:
    """Keeps SIGINT and SIGTERM until the block ends: an exception in the middle of a database's write locks it."""
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
