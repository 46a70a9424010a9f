"""Tuners and trials that are killed at random moments; what they train takes no time (see test_tune.py for such)."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tuning_workspace as tw
from optuna.trial import TrialState
from tuning_workspace import Place, history, wait_for

from genlab.tune import process
from genlab.tune.process import Outcome
from genlab.tune.study import REASON, settled

STUDY = "vae-digits"
NUM_TRIALS = 12
SEED = 0
"""Of the moments of the kills; the machine's own speed adds to the chance."""


# One trial's process


def _end_well(order: Any, connection: Connection, alive: Connection) -> None:
    connection.send(("begun", "key"))
    connection.send(("report", 10, 2.0))
    connection.send(("done", {"a": 1.0}) if connection.recv() else ("pruned", None))


def _end_badly(order: Any, connection: Connection, alive: Connection) -> None:
    connection.send(("failed", "the losses must be finite"))


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
    monkeypatch.setattr(process, "_context", lambda: multiprocessing.get_context("fork"))

    def run(target: Callable[..., None], limit: float | None = None, **more: Any) -> Outcome:
        monkeypatch.setattr(process.trial, "run", target)
        report = more.get("report", lambda step, value: True)
        return process.run(tmp_path / "order", report, limit, more.get("stop", threading.Event()))  # type: ignore[arg-type]

    return run


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
class TestProcess:
    def test_says_what_came_of_it(self, run: Callable[..., Outcome]) -> None:
        said: list[Any] = []
        outcome = run(_end_well, report=lambda step, value: said.append((step, value)) or True)
        assert (outcome.state, outcome.values, outcome.train_key, said) == (
            "done",
            {"a": 1.0},
            "key",
            [(10, 2.0)],
        )
        assert run(_end_well, report=lambda step, value: False).state == "pruned"
        assert run(_end_badly)[:3] == ("failed", None, "the losses must be finite")

    def test_end_without_a_word_is_a_failure(self, run: Callable[..., Outcome]) -> None:
        assert run(_leave)[:3] == ("failed", None, "ended with the exit status 3")

    def test_killed_once_is_tried_again(self, run: Callable[..., Outcome]) -> None:
        assert run(_be_killed_once).state == "done"

    def test_killed_twice_is_a_failure(self, run: Callable[..., Outcome], tmp_path: Path) -> None:
        assert run(_be_killed)[:3] == (
            "failed",
            None,
            "was killed by SIGKILL twice: out of memory, or by hand",
        )
        assert (tmp_path / "order").read_text() == "killed\nkilled\n"

    def test_time_limit_ends_it(self, run: Callable[..., Outcome]) -> None:
        started = time.monotonic()
        assert run(_sleep, limit=0.5)[:3] == ("failed", None, "took longer than 0.5 s")
        assert time.monotonic() - started < 10
        assert multiprocessing.active_children() == []

    def test_stop_ends_it_and_is_no_failure(self, run: Callable[..., Outcome]) -> None:
        stop = threading.Event()
        threading.Timer(0.3, stop.set).start()
        assert run(_sleep, stop=stop).state == "stopped"
        assert multiprocessing.active_children() == []

    def test_process_that_ends_by_ctrl_c_before_the_tuner_hears_of_it_is_no_failure(
        self, run: Callable[..., Outcome]
    ) -> None:
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        assert run(_leave, stop=stop).state == "stopped"

    def test_error_of_the_tuner_ends_it(self, run: Callable[..., Outcome]) -> None:
        def report(step: int, value: float) -> bool:
            raise RuntimeError("no storage")

        with pytest.raises(RuntimeError, match="no storage"):
            run(_end_well, report=report)
        assert multiprocessing.active_children() == []


# The tuner


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., BaseProcess]]:
    """Returns a function that starts a tuner: forked from a process that has imported all."""
    context = multiprocessing.get_context("forkserver")
    former = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(tw.ROOT / "src"), str(Path(__file__).parents[1] / "helpers"), former or ""]
    )
    context.set_forkserver_preload(["tuning_fake"])
    started: list[BaseProcess] = []

    def start(place: Place, num_trials: int = NUM_TRIALS, **environment: str) -> BaseProcess:
        import tuning_fake

        environment |= {
            "DVC_ROOT": str(place.root),
            "MLFLOW_TRACKING_URI": f"sqlite:///{place.root}/mlflow.db",
        }
        paths = (str(tw.data() / "images"), str(tw.data() / "features"))
        arguments = (str(place.root), *paths, num_trials, environment)
        started.append(context.Process(target=tuning_fake.tuner, args=arguments))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.join()
    if former is None:
        os.environ.pop("PYTHONPATH")
    else:
        os.environ["PYTHONPATH"] = former


Start = Callable[..., BaseProcess]


def finish(tuner: BaseProcess, place: Place) -> None:
    tuner.join(120)
    assert tuner.exitcode == 0, place.said[-3000:]


@pytest.fixture(scope="module", params=["tpe", pytest.param("random", marks=pytest.mark.slow)])
def whole(
    request: pytest.FixtureRequest, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """Returns where a study came to its end undisturbed."""
    place = Place(
        tmp_path_factory.mktemp(f"whole-{request.param}"), search={"sampler": request.param}
    )
    place.sampler = request.param  # type: ignore[attr-defined]
    finish(start(place), place)
    states = {trial.state for trial in place.trials(STUDY)}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    return place


def children(place: Place) -> list[int]:
    """Returns the living processes of trials."""
    path = place.root / "trials.txt"
    found = (
        [int(line.split()[0]) for line in path.read_text().splitlines()] if path.is_file() else []
    )
    return [pid for pid in found if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_until_it_ends(start: Start, place: Place, rng: np.random.Generator, num_kills: int) -> int:
    """Kills tuner after tuner at random moments; after the last kill one may come to its end. Returns the kills."""
    for kill in range(num_kills):
        known = len(place.trials(STUDY))
        tuner = start(place)
        started = time.monotonic()
        if kill % 3:  # the moments after the start are few; those in trials are many
            wait_for(lambda: len(place.trials(STUDY)) > known or not tuner.is_alive(), 60)  # noqa: B023
        time.sleep(rng.random() * (0.3 if kill % 3 else 1.5))
        if not tuner.is_alive():
            finish(tuner, place)
            return kill
        assert tuner.pid is not None
        os.kill(tuner.pid, signal.SIGKILL)
        tuner.join()
        wait_for(lambda: not children(place), 5)
        trials = place.trials(STUDY)
        running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
        after = time.monotonic() - started
        print(
            f"kill {kill}: {after:.2f} s after the start, {len(settled(trials))} over, running: {running}"
        )
    finish(start(place), place)
    return num_kills


@pytest.mark.parametrize("num_kills", [4, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_tuners_make_the_same_study(
    start: Start, whole: Place, num_kills: int, tmp_path: Path
) -> None:
    place = Place(tmp_path, search={"sampler": whole.sampler})  # type: ignore[attr-defined]
    kill_until_it_ends(start, place, np.random.default_rng(SEED), num_kills)
    assert history(place.trials(STUDY)) == history(whole.trials(STUDY))
    assert (place.root / "out/best_params.yaml").read_bytes() == (
        whole.root / "out/best_params.yaml"
    ).read_bytes()
    assert len([run for run in place.runs() if run.info.run_name == STUDY]) == 1


@pytest.mark.slow
def test_killed_trials_make_the_same_study(start: Start, whole: Place, tmp_path: Path) -> None:
    """Each trial's first process is killed from outside."""
    place = Place(tmp_path, search={"sampler": whole.sampler})  # type: ignore[attr-defined]
    tuner, killed = start(place), 0
    seen: set[str] = set()
    path = place.root / "trials.txt"
    while tuner.is_alive():
        for line in path.read_text().splitlines() if path.is_file() else []:
            pid, _, name = line.partition(" ")
            if name not in seen:
                seen.add(name)
                try:
                    os.kill(int(pid), signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    continue
        time.sleep(0.005)
    finish(tuner, place)
    print(f"{killed} processes killed")
    assert killed >= NUM_TRIALS / 2
    assert history(place.trials(STUDY)) == history(whole.trials(STUDY))


def test_trial_killed_as_it_waits_for_an_answer_is_a_killed_one() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.send(("report", 10, 1.5))
    theirs.close()
    reports: list[tuple[int, float]] = []
    killed = SimpleNamespace(exitcode=-signal.SIGKILL, join=lambda seconds: None)
    listener = process._Listener(ours, killed, lambda *facts: bool(reports.append(facts)), None)  # type: ignore[arg-type,func-returns-value]
    assert listener.listen(threading.Event()) == Outcome("killed", reason="was killed by SIGKILL")
    assert reports == [(10, 1.5)]


def test_trial_killed_twice_is_a_failure_and_the_study_goes_on(
    start: Start, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    tuner = start(place, 5)
    path = place.root / "trials.txt"
    while tuner.is_alive():
        for line in path.read_text().splitlines() if path.is_file() else []:
            pid, _, name = line.partition(" ")
            if name == "trial 2" and _is_alive(int(pid)):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.005)
    finish(tuner, place)
    trials = place.trials(STUDY)
    assert [trial.state.name == "FAIL" for trial in trials] == [False, False, True, False, False]
    assert trials[2].user_attrs[REASON] == "was killed by SIGKILL twice: out of memory, or by hand"
    assert "trial 2 failed: was killed by SIGKILL twice" in place.said


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_ctrl_c_leaves_a_study_that_goes_on(
    start: Start, whole: Place, number: int, tmp_path: Path
) -> None:
    """To the whole process group, as a terminal sends it."""
    place = Place(tmp_path, search={"sampler": whole.sampler})  # type: ignore[attr-defined]
    for done in (2, 5):
        tuner = start(place)
        wait_for(lambda: len(settled(place.trials(STUDY))) >= done)  # noqa: B023
        assert tuner.pid is not None
        os.killpg(tuner.pid, number)
        tuner.join(30)
        assert tuner.exitcode not in (None, 0)
        wait_for(lambda: not children(place), 5)
        assert [trial for trial in place.trials(STUDY) if REASON in trial.user_attrs] == []
    finish(start(place), place)
    assert history(place.trials(STUDY)) == history(whole.trials(STUDY))


def test_second_tuner_is_refused(start: Start, tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = start(place, SECONDS_PER_STEP="0.5")
    wait_for(lambda: place.trials(STUDY))
    second = start(place)
    second.join(60)
    assert second.exitcode == 1
    assert (
        "a study in a journal must have one tuner. Received: a second one for 'vae-digits'"
        in place.said
    )
    assert first.is_alive()


@pytest.mark.slow
def test_more_trials_go_on_where_the_study_was(start: Start, whole: Place, tmp_path: Path) -> None:
    place = Place(tmp_path, search={"sampler": whole.sampler})  # type: ignore[attr-defined]
    for number in (3, 7, NUM_TRIALS):
        finish(start(place, number), place)
    assert history(place.trials(STUDY)) == history(whole.trials(STUDY))


def test_several_workers_end_a_study(start: Start, tmp_path: Path) -> None:
    place = Place(tmp_path, search={"workers": 3})
    finish(start(place), place)
    assert [trial.number for trial in settled(place.trials(STUDY))] == list(range(NUM_TRIALS))


@pytest.mark.slow
def test_several_workers_are_killed(start: Start, tmp_path: Path) -> None:
    place = Place(tmp_path, search={"workers": 3})
    kill_until_it_ends(start, place, np.random.default_rng(SEED), 3)
    assert [trial.number for trial in settled(place.trials(STUDY))] == list(range(NUM_TRIALS))


def test_choices_that_repeat_themselves_do_not_disturb_each_other(
    start: Start, tmp_path: Path
) -> None:
    """Two points in all, many trials, several at once."""
    space = {"learning_rate": {"choices": [1e-3]}, "kl_weight": {"choices": [1.0, 2.0]}}
    tune = tw.values()["tune"]
    place = Place(
        tmp_path,
        search={"workers": 2, "finalists": 3},
        tune=tune | {"vae": tune["vae"] | {"space": space}},
    )
    finish(start(place, 8), place)
    assert {trial.state for trial in place.trials(STUDY)} <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
    }
