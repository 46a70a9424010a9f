"""Tuners and trials that are killed at random moments; their trainings take no time."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tuning_fake as fake
import tuning_workspace as tw
from optuna.trial import FrozenTrial, TrialState
from tuning_workspace import NUM_TRIALS, Place, history, wait_for

from genlab.tune import process
from genlab.tune.process import Outcome
from genlab.tune.study import REASON, settled

STUDY = "vae-digits"
SEED = 0
"""Of the moments of the kills; the machine's own speed adds to the chance."""
KILLED_TWICE = "was killed by SIGKILL twice: out of memory, or by hand"
Start = Callable[..., BaseProcess]


# One trial's process


def _end_well(order: Any, connection: Connection, alive: Connection) -> None:
    connection.send(("begun", "key"))
    connection.send(("report", 10, 2.0))
    connection.send(("done", {"a": 1.0}) if connection.recv() else ("pruned",))


def _end_badly(order: Any, connection: Connection, alive: Connection) -> None:
    connection.send(("failed", None, "the losses must be finite"))


def _leave(order: Any, connection: Connection, alive: Connection) -> None:
    os._exit(3)


def _be_killed(order: Any, connection: Connection, alive: Connection) -> None:
    with Path(order).open("a") as file:
        file.write("killed\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _be_killed_once(order: Any, connection: Connection, alive: Connection) -> None:
    if not Path(order).exists():
        _be_killed(order, connection, alive)
    _end_well(order, connection, alive)


def _sleep(order: Any, connection: Connection, alive: Connection) -> None:
    connection.send(("begun", "key"))
    time.sleep(60)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    monkeypatch.setattr(process, "_context", fake.server)

    def run(
        target: Any, report: Any = lambda *facts: True, limit: Any = None, stop_after: float = 0.0
    ) -> Outcome:
        monkeypatch.setattr(process.trial, "run", target)
        stop = threading.Event()
        if stop_after:
            threading.Timer(stop_after, stop.set).start()
        order: Any = tmp_path / "order"
        outcome = process.run(order, report, limit, stop)
        assert multiprocessing.active_children() == []
        return outcome

    return run


class TestProcess:
    @pytest.mark.parametrize(
        ("target", "more", "state", "reason"),
        [
            (_end_badly, {}, "failed", "the losses must be finite"),
            (_leave, {}, "failed", "ended with the exit status 3"),
            (_be_killed_once, {}, "done", ""),
            (_sleep, {"limit": 0.5}, "failed", "took longer than 0.5 s"),
            (_sleep, {"stop_after": 0.3}, "stopped", ""),
            (_leave, {"stop_after": 0.2}, "stopped", ""),  # Ctrl-C reaches the process first
        ],
    )
    def test_end(self, run: Any, target: Any, more: Any, state: str, reason: str) -> None:
        outcome = run(target, **more)
        assert (outcome.state, outcome.reason) == (state, reason)
        assert outcome.seconds < 30

    def test_reports_are_answered(self, run: Any) -> None:
        reports: list[Any] = []
        outcome = run(_end_well, lambda *facts: reports.append(facts) or True)
        assert reports == [(10, 2.0)]
        assert (outcome.state, outcome.values, outcome.train_key) == ("done", {"a": 1.0}, "key")
        assert run(_end_well, lambda *facts: False).state == "pruned"

    def test_killed_twice_is_a_failure(self, run: Any, tmp_path: Path) -> None:
        assert run(_be_killed)[:3] == ("failed", None, KILLED_TWICE)
        assert (tmp_path / "order").read_text() == "killed\nkilled\n"

    def test_error_of_the_tuner_ends_it(self, run: Any) -> None:
        def report(step: int, value: float) -> bool:
            raise RuntimeError("no storage")

        with pytest.raises(RuntimeError, match="no storage"):
            run(_end_well, report)
        assert multiprocessing.active_children() == []


def test_trial_killed_as_it_waits_for_an_answer_is_a_killed_one() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.send(("report", 10, 1.5))
    theirs.close()
    reports: list[tuple[int, float]] = []
    killed: Any = SimpleNamespace(exitcode=-signal.SIGKILL, join=lambda seconds: None)
    listener = process._Listener(ours, killed, lambda *facts: bool(reports.append(facts)), None)  # type: ignore[func-returns-value]
    assert listener.listen(threading.Event()) == Outcome("killed", reason="was killed by SIGKILL")
    assert reports == [(10, 1.5)]


# The tuner


def finish(tuner: BaseProcess, place: Place) -> list[FrozenTrial]:
    tuner.join(120)
    assert tuner.exitcode == 0, place.said[-3000:]
    return place.trials(STUDY)


@pytest.fixture(scope="module", params=["tpe", pytest.param("random", marks=pytest.mark.slow)])
def whole(
    request: pytest.FixtureRequest, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """Returns where a study came to its end undisturbed."""
    place = Place(tmp_path_factory.mktemp("whole"), search={"sampler": request.param})
    states = {trial.state for trial in finish(start(place), place)}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    return place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def alike(whole: Place, tmp_path: Path) -> Place:
    """Returns a place for the same study."""
    return Place(tmp_path, **whole.changes)


def processes(place: Place) -> list[tuple[int, str]]:
    """Returns the trials' processes so far, with the names of their runs."""
    path = place.root / "trials.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_no_trial_lives(place: Place) -> None:
    wait_for(lambda: not [pid for pid, _ in processes(place) if is_alive(pid)], 5)


def kill_until_it_ends(
    start: Start,
    place: Place,
    rng: np.random.Generator,
    num_kills: int,
    num_trials: int = NUM_TRIALS,
) -> list[FrozenTrial]:
    """Kills tuner after tuner at random moments; the last one comes to its end."""
    for kill in range(num_kills):
        num_known = len(place.trials(STUDY))
        tuner = start(place, num_trials)
        started = time.monotonic()
        if kill % 3:  # the moments after the start are few; those in trials are many
            wait_for(lambda: len(place.trials(STUDY)) > num_known or not tuner.is_alive(), 60)  # noqa: B023
        time.sleep(rng.random() * (0.3 if kill % 3 else 1.5))
        if not tuner.is_alive():
            break
        tuner.kill()
        tuner.join()
        assert_no_trial_lives(place)
        num_settled = len(settled(place.trials(STUDY)))
        print(
            f"kill {kill}: {time.monotonic() - started:.2f} s after the start, {num_settled} over"
        )
    return finish(start(place, num_trials), place)


@pytest.mark.parametrize("num_kills", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_tuners_make_the_same_study(
    start: Start, whole: Place, alike: Place, num_kills: int
) -> None:
    trials = kill_until_it_ends(start, alike, np.random.default_rng(SEED), num_kills)
    assert history(trials) == history(whole.trials(STUDY))
    ours, theirs = (place.root / "out/best_params.yaml" for place in (alike, whole))
    assert ours.read_bytes() == theirs.read_bytes()
    assert len([run for run in alike.runs() if run.info.run_name == STUDY]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_tuners_of_halving_make_the_same_study(
    start: Start, tmp_path: Path, workers: int
) -> None:
    """One bracket of nine: what it tries depends on no worker, as none is told before the end."""
    search = {"method": "halving", "rungs": 3, "brackets": 1}
    undisturbed = Place(tmp_path / "whole", search=search)
    expected = finish(start(undisturbed, 9), undisturbed)
    assert {trial.state for trial in expected} == {TrialState.COMPLETE, TrialState.PRUNED}
    place = Place(tmp_path / "cut", search=search | {"workers": workers})
    trials = kill_until_it_ends(start, place, np.random.default_rng(SEED), 8, 9)
    assert history(trials) == history(expected)


@pytest.mark.slow
def test_killed_trials_make_the_same_study(start: Start, whole: Place, alike: Place) -> None:
    """Each trial's first process is killed from outside."""
    tuner = start(alike)
    killed: set[str] = set()
    while tuner.is_alive():
        for pid, name in processes(alike):
            if name not in killed and is_alive(pid):
                killed.add(name)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    assert history(finish(tuner, alike)) == history(whole.trials(STUDY))
    print(f"{len(killed)} processes killed")
    assert len(killed) >= NUM_TRIALS / 2


def test_trial_killed_twice_is_a_failure_and_the_study_goes_on(start: Start, place: Place) -> None:
    tuner = start(place, 4)
    while tuner.is_alive():
        for pid, name in processes(place):
            if name == "trial 2" and is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    trials = finish(tuner, place)
    assert [trial.number for trial in trials if trial.state == TrialState.FAIL] == [2]
    assert trials[2].user_attrs[REASON] == KILLED_TWICE
    assert f"trial 2 failed: {KILLED_TWICE}" in place.said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_study_that_continues(
    start: Start, whole: Place, alike: Place, number: int
) -> None:
    """To the whole process group, as a terminal sends it."""
    for num_settled in (2, 5):
        tuner = start(alike)
        wait_for(lambda: len(settled(alike.trials(STUDY))) >= num_settled)  # noqa: B023
        assert tuner.pid is not None
        os.killpg(tuner.pid, number)
        tuner.join(30)
        assert tuner.exitcode not in (None, 0)
        assert_no_trial_lives(alike)
        assert [trial for trial in alike.trials(STUDY) if REASON in trial.user_attrs] == []
    assert history(finish(start(alike), alike)) == history(whole.trials(STUDY))


@pytest.mark.slow
def test_second_tuner_is_refused(start: Start, place: Place) -> None:
    first = start(place, SECONDS_PER_STEP="0.5")
    wait_for(lambda: place.trials(STUDY))
    second = start(place)
    second.join(60)
    assert second.exitcode == 1
    assert "a second one for 'vae-digits'" in place.said
    assert first.is_alive()


@pytest.mark.slow
def test_more_trials_continue_the_study(start: Start, whole: Place, alike: Place) -> None:
    for number in (3, 7, NUM_TRIALS):
        trials = finish(start(alike, number), alike)
    assert history(trials) == history(whole.trials(STUDY))


@pytest.mark.slow
def test_several_workers_are_killed(start: Start, tmp_path: Path) -> None:
    place = Place(tmp_path, search={"workers": 3})
    trials = kill_until_it_ends(start, place, np.random.default_rng(SEED), 3)
    assert [trial.number for trial in settled(trials)] == list(range(NUM_TRIALS))


@pytest.mark.slow
def test_several_workers_may_try_the_same_settings(start: Start, tmp_path: Path) -> None:
    """Two points in all, many trials, several at once."""
    space = {"learning_rate": {"choices": [1e-3]}, "kl_weight": {"choices": [1.0, 2.0]}}
    search = {"workers": 2, "finalists": 3}
    place = Place(tmp_path, search=search, tune=tw.with_tune(space=space))
    trials = finish(start(place, 8), place)
    assert [trial.number for trial in settled(trials)] == list(range(8))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
