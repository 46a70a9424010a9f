"""Signals: an exception, but none in the middle of TensorFlow."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType

import pytest

from genlab.runtime import stopping
from genlab.runtime.native_output import import_tensorflow

Call = Callable[..., int]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    tracer = sys.gettrace()  # coverage's, which a signal ends
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stopping.install()
    yield
    for number, handler in former.items():
        signal.signal(number, handler)
    assert sys.gettrace() in {None, tracer}
    sys.settrace(tracer)


@pytest.fixture
def done() -> list[str]:
    return []


def _work(done: list[str], number: int | None, inner: Callable[[], object] | None = None) -> int:
    if number:
        signal.raise_signal(number)
    with suppress(LookupError):
        if inner:
            inner()
    done.append("work")
    return 7


@pytest.fixture
def work(done: list[str]) -> Call:
    """A function that belongs to TensorFlow by its module's name; a signal comes while it runs."""
    names = {"__name__": "tensorflow.python.work", "signal": signal, "suppress": suppress}
    return partial(FunctionType(_work.__code__, names, argdefs=_work.__defaults__), done)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, stopping.Stopped)]
)
def test_signal_waits_for_tensorflow_and_no_longer(
    work: Call,
    done: list[str],
    number: int,
    error: type[BaseException],
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(error):
        done.append(str(work(number)))
    assert done == ["work"]
    assert (
        capfd.readouterr().err
        == "\nstopping when TensorFlow is done with this; once more to stop at once\n"
    )


def test_signal_elsewhere_is_raised_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(stopping.Stopped, match="143"):
        signal.raise_signal(signal.SIGTERM)
    assert capfd.readouterr().err == ""


def test_second_signal_is_raised_at_once(work: Call, done: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        work(signal.SIGINT, lambda: signal.raise_signal(signal.SIGINT))
    assert done == []


def test_what_tensorflow_calls_back_is_not_interrupted(work: Call, done: list[str]) -> None:
    def inner() -> None:
        done.append(str(len(done)))

    with pytest.raises(KeyboardInterrupt):
        work(signal.SIGINT, inner)
    assert done == ["0", "work"]


def test_call_inside_of_a_call_waits_for_the_outer_one(work: Call, done: list[str]) -> None:
    def inner() -> None:
        work(signal.SIGINT)
        done.append("back")

    with pytest.raises(KeyboardInterrupt):
        work(None, inner)
    assert done == ["work", "back", "work"]


def test_error_that_tensorflow_catches_changes_nothing(work: Call, done: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        work(signal.SIGINT, lambda: {}["missing"])
    assert done == ["work"]


def test_cleaning_up_around_the_call_is_done(work: Call, done: list[str]) -> None:
    def returns() -> int:
        try:
            return work(signal.SIGINT)
        finally:
            done.append("finally")

    class Block:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None:
            done.append(str(error[0]))

    def within() -> int:
        with Block():
            return work(signal.SIGINT)

    for function, last in ((returns, "finally"), (within, str(KeyboardInterrupt))):
        with pytest.raises(KeyboardInterrupt):
            function()
        assert done[-2:] == ["work", last]


def test_an_error_of_tensorflow_does_not_hide_the_signal(work: Call) -> None:
    def fails() -> None:
        raise ValueError

    with pytest.raises(KeyboardInterrupt):
        work(signal.SIGINT, fails)


def test_tensorflow_makes_no_other_error_of_it() -> None:
    """Its C++ asks for the length; a KeyboardInterrupt there would become a ValueError."""
    import_tensorflow()
    import tensorflow as tf

    class Interrupting:
        is_sent = False

        def __len__(self) -> int:
            if not self.is_sent:
                self.is_sent = True
                signal.raise_signal(signal.SIGINT)
            return 2

        def __getitem__(self, index: int) -> float:
            if index >= 2:
                raise IndexError
            return float(index)

    values = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        tf.constant(values)
    assert values.is_sent
    assert tf.constant(values).numpy().tolist() == [0.0, 1.0]


def test_sigint_that_is_ignored_stays_ignored() -> None:
    """A shell has what it runs in the background ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.install()
    os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_deferred_keeps_a_signal_to_the_end_of_the_block(done: list[str]) -> None:
    def write() -> None:
        with stopping.deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("written")
        done.append("too far")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == ["written"]
    assert signal.getsignal(signal.SIGINT) is stopping._stop
