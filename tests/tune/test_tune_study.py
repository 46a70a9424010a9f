"""Trials that are asked for and told, without any training: every sampler, every pruner, cut off at every moment."""

import json
import math
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from fixtures_models import ROOT
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial, TrialState
from tuning_workspace import history

from genlab.runtime.errors import InputError
from genlab.settings.params import Search, build_section, read_yaml
from genlab.tune import loop, storage, study
from genlab.tune.space import Space
from genlab.tune.study import DECIDED, REASON, Study

pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore:Heartbeat of storage is supposed"
)
PRESENT = {"rate": 0.01, "weight": 1.0}
SPACE = Space(
    {"rate": FloatDistribution(1e-4, 1.0, log=True), "weight": FloatDistribution(0.0, 10.0)},
    {},
    PRESENT,
    "here",
)
POINTS = Space(
    {"size": IntDistribution(2, 6, step=2), "act": CategoricalDistribution(("relu", "tanh"))},
    {},
    {"size": 4, "act": "tanh"},
    "here",
)
IDENTITY = {"space": "s", "objective": ["loss"], "seed": 0, "steps": 900}
STEPS = (300, 600, 900)
SAMPLERS = ("tpe", "random", "cmaes", "qmc", "nsga2")


def settings(**changes: Any) -> Search:
    values = read_yaml(ROOT / "params.yaml")["search"] | {
        "startup_trials": 4,
        "num_reports": 3,
        "pruner": "none",
    }
    return build_section(Search, values | changes, "tests: ")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv(storage.ADDRESS, raising=False)


class Killed(BaseException):
    """The process is gone."""


def open_study(
    name: str = "s", space: Space = SPACE, directions: Any = ("minimize",), **changes: Any
) -> Study:
    """Returns the study as a new process finds it."""
    search = settings(**changes)
    opened = storage.open_storage(search, name)
    found = study.load(opened, name, space, list(directions), search, IDENTITY)
    found.find_lost()
    return found


def value_of(trial: Trial) -> float:
    """A loss that is lowest at a rate of 0.1 and a weight of 3; it takes no training."""
    return (math.log10(trial.params["rate"]) + 1) ** 2 + (trial.params["weight"] - 3) ** 2 / 10


def run_one(found: Study, num_trials: int, cut: Callable[[str], None] = lambda where: None) -> bool:
    """Asks for one trial, reports at three steps, tells; says whether there was one."""
    trial = found.ask(num_trials)
    if trial is None:
        return False
    cut("asked")
    for step in STEPS:
        goes_on = found.report(trial, step, value_of(trial) * (1 + 300 / step))
        cut(f"step {step}")
        if not goes_on:
            found.tell(trial, TrialState.PRUNED, None, {})
            return True
    if trial.number % 5 == 4:
        found.tell(trial, TrialState.FAIL, None, {REASON: "was killed"})
    else:
        found.tell(
            trial, TrialState.COMPLETE, [value_of(trial)], {"genlab.settings": dict(trial.params)}
        )
    cut("told")
    return True


def run_all(num_trials: int, **changes: Any) -> Study:
    found = open_study(**changes)
    while run_one(found, num_trials):
        pass
    return found


# Samplers


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_first_trial_is_the_present_settings(sampler: str) -> None:
    found = run_all(14, sampler=sampler)
    assert found.trials[0].params == PRESENT
    assert [trial.number for trial in found.trials] == list(range(14))
    assert all(trial.params != PRESENT for trial in found.trials[1:])
    different = {json.dumps(trial.params) for trial in found.trials}
    assert len(different) == 14 or (
        sampler == "nsga2" and len(different) > 9
    )  # it takes parents over, too
    assert found.is_over(14)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_sampler_learns(sampler: str) -> None:
    """Random trials are 1.9 on average here; those of a sampler that has learnt must be far better."""
    complete = [
        trial for trial in run_all(45, sampler=sampler).trials if trial.state == TrialState.COMPLETE
    ]
    later = [trial.values[0] for trial in complete[-10:]]
    assert sum(later) / len(later) < 1.0


def test_seed_is_what_trials_depend_on() -> None:
    first, again = (
        history(run_all(6, name="s").trials)
        for _ in range(2)
        if not shutil.rmtree(storage.folder("s"), ignore_errors=True)
    )
    assert first == again
    other = history(run_all(6, name="another").trials)
    assert other[0] == first[0]
    assert [trial[2] for trial in other[1:]] != [trial[2] for trial in first[1:]]


def test_grid_ends_after_its_points() -> None:
    search = {"sampler": "grid", "space": POINTS}
    found = open_study(**search)
    asked = []
    while trial := found.ask(100):
        asked.append(dict(trial.params))
        found.tell(trial, TrialState.COMPLETE, [float(len(asked))], {})
    assert asked[0] == POINTS.present
    expected = [{"size": size, "act": act} for size in (2, 4, 6) for act in ("relu", "tanh")]
    assert asked[1:] == [point for point in expected if point != POINTS.present]
    assert found.is_over(100)
    again = open_study(**search)
    assert again.ask(100) is None
    assert len(again.trials) == 6


def test_grid_may_be_cut_short_and_go_on() -> None:
    for number in (2, 4, 100):
        found = open_study(sampler="grid", space=POINTS)
        while trial := found.ask(number):
            found.tell(trial, TrialState.COMPLETE, [1.0], {})
        assert len(study.settled(found.trials)) == min(number, 6)
        assert found.is_over(number)


# Cut off at any moment


class FallsAfter:
    """Writes to the journal a number of times, then the process is gone: in the middle of a line, if `torn`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, torn: bool):
        from optuna.storages.journal import JournalFileBackend

        self.left, write = number, JournalFileBackend.append_logs

        def append(backend: Any, logs: list[dict[str, Any]]) -> None:
            if self.left == 0:
                if torn:
                    with Path(backend._file_path).open("ab") as file:
                        file.write(json.dumps(logs[0]).encode()[:-7])
                raise Killed
            self.left -= 1
            write(backend, logs)

        monkeypatch.setattr(JournalFileBackend, "append_logs", append)


NUM_TRIALS = 9


@pytest.mark.parametrize(
    "moment", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 10))]
)
@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("tpe", "median"), ("tpe", "hyperband"), ("random", "none"), ("random", "median")],
)
def test_study_cut_at_every_write_is_the_uninterrupted_one(
    sampler: str, pruner: str, moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process per write: each writes once more than its forerunner could, up to the end."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    search = {"sampler": sampler, "pruner": pruner}
    expected = history(run_all(NUM_TRIALS, **search).trials)
    states = [trial[1] for trial in expected]
    assert "COMPLETE" in states
    assert ("PRUNED" in states) == (pruner != "none")
    writes = len((storage.folder("s") / "journal.log").read_bytes().splitlines())
    unlike = []
    for number in range(moment, writes, 10):
        with monkeypatch.context() as patch:
            patch.setenv("DVC_ROOT", str(tmp_path / f"{number}"))
            FallsAfter(patch, number, torn=bool(number % 2))
            with pytest.raises(Killed):
                run_all(NUM_TRIALS, **search)
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / f"{number}"))
        if history(run_all(NUM_TRIALS, **search).trials) != expected:
            unlike.append((number, _line(tmp_path / "whole", number)))
        shutil.rmtree(tmp_path / f"{number}")
    if (
        pruner == "hyperband"
    ):  # it writes its rung before it says what it decided: see `Study.report`
        unlike = [each for each in unlike if not _is_decision(each[1])]
    assert unlike == []


def _line(root: Path, number: int) -> dict[str, Any]:
    return json.loads((root / ".genlab/studies/s/journal.log").read_bytes().splitlines()[number])


def _is_decision(line: dict[str, Any]) -> bool:
    return DECIDED in line.get("user_attr", {}) or any(
        "completed_rung" in key for key in line.get("system_attr", {})
    )


def test_study_cut_everywhere_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process is gone after a few writes more: lost trials are lost again."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    expected = history(run_all(NUM_TRIALS, pruner="median").trials)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "cut"))
    for number in range(200):
        try:
            with monkeypatch.context() as patch:
                FallsAfter(patch, 3 + number % 3, torn=bool(number % 2))
                run_all(NUM_TRIALS, pruner="median")
        except Killed:
            continue
        break
    else:
        pytest.fail("it never came to its end")
    assert number > 20
    assert history(run_all(NUM_TRIALS, pruner="median").trials) == expected


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_lost_trial_keeps_number_and_parameters(
    sampler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    expected = run_all(7, sampler=sampler).trials[6].params
    seen = []
    for number in range(1, 5):
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / f"{number}"))
        found = run_all(6, sampler=sampler)
        with monkeypatch.context() as patch, suppress(Killed):
            FallsAfter(patch, number, torn=True)
            found.ask(7)
        found = open_study(sampler=sampler)
        assert found.trials[6].state == TrialState.RUNNING
        seen.append(len(found.trials[6].params))
        trial = found.ask(7)
        assert trial is not None
        assert (trial.number, trial.params) == (6, expected)
        assert found.ask(7) is None
    assert set(seen) == {0, 1, 2}


def test_several_lost_trials_go_on_first() -> None:
    found = open_study()
    lost = [found.ask(10) for _ in range(3)]
    numbers, params = (
        [trial.number for trial in lost if trial],
        [trial.params for trial in lost if trial],
    )
    found = open_study()
    again = [found.ask(10) for _ in range(4)]
    assert [trial.number for trial in again if trial] == [*numbers, 3]
    assert [trial.params for trial in again if trial][:3] == params
    assert not found.is_over(0)


def test_reason_without_end_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the reason of a failure and the end of the trial: the trial is lost, not settled."""
    found = open_study()
    trial = found.ask(2)
    assert trial is not None
    with monkeypatch.context() as patch, suppress(Killed):
        FallsAfter(patch, 1, torn=False)
        found.tell(trial, TrialState.FAIL, None, {REASON: "took too long"})
    found = open_study()
    assert REASON in found.trials[0].user_attrs
    assert study.settled(found.trials) == []
    trial = found.ask(1)
    assert trial is not None
    found.tell(trial, TrialState.COMPLETE, [1.0], {})
    assert found.is_over(1)
    assert [each.state for each in study.settled(found.trials)] == [TrialState.COMPLETE]


@pytest.mark.parametrize("torn", [b'{"op_code": 1', b"{", b'{"op_code": 4, "worker_id": "x"}'])
def test_torn_last_line_is_mended(torn: bytes) -> None:
    run_all(3)
    path = storage.folder("s") / "journal.log"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert [trial.number for trial in open_study().trials] == [0, 1, 2]
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    assert len(run_all(5).trials) == 5


def test_first_line_may_be_torn() -> None:
    path = storage.folder("s") / "journal.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"op_co')
    assert len(run_all(2).trials) == 2


def test_lock_of_a_killed_tuner_holds_nobody_up() -> None:
    run_all(2)
    path = storage.folder("s") / "journal.log"
    path.with_name("journal.log.lock").symlink_to(path)
    started = datetime.now()
    assert len(run_all(3).trials) == 3
    assert datetime.now() - started < timedelta(seconds=5)


# One tuner of a journal


def test_second_tuner_of_a_journal_is_refused() -> None:
    with (
        storage.only_tuner("s"),
        pytest.raises(
            InputError, match=r"must have one tuner. Received: a second one for 's'. Wait"
        ),
        storage.only_tuner("s"),
    ):
        pass
    with storage.only_tuner("s"), storage.only_tuner("other"):
        pass
    with storage.only_tuner("s"):
        pass


def test_study_of_another_space_is_refused() -> None:
    open_study()
    search = settings()
    other = IDENTITY | {"space": "t", "steps": 300}
    with pytest.raises(
        InputError,
        match=r"'s' must go on with what it began with. Received: another space, steps. ",
    ):
        study.load(storage.open_storage(search, "s"), "s", SPACE, ["minimize"], search, other)
    assert len(open_study().trials) == 1


# Pruners


def losses(found: Study, num_trials: int, value: Callable[[int], float]) -> list[int]:
    """Returns how often each trial reported before it was over, if it always said `value` of its number."""
    counts = []
    while trial := found.ask(num_trials):
        count = 0
        for step in STEPS:
            count += 1
            if not found.report(trial, step, value(trial.number)):
                break
        found.tell(
            trial,
            TrialState.COMPLETE if count == 3 else TrialState.PRUNED,
            [1.0] if count == 3 else None,
            {},
        )
        counts.append(count)
    return counts


def test_median_ends_the_worse_half_from_the_second_report_on() -> None:
    assert losses(open_study(pruner="median"), 8, lambda number: float(number)) == [
        3,
        3,
        3,
        3,
        2,
        2,
        2,
        2,
    ]
    assert losses(open_study("up", pruner="median"), 8, lambda number: -float(number)) == [3] * 8


def test_no_pruner_ends_nothing() -> None:
    assert losses(open_study(pruner="none"), 6, lambda number: float(number)) == [3] * 6


def test_hyperband_does_not_decide_all_at_the_first_report() -> None:
    """Of trials that get better and better each is the best so far: at its last report at the latest it goes on."""
    assert losses(open_study(pruner="hyperband"), 12, lambda number: -float(number)) == [3] * 12
    worse = losses(open_study("worse", pruner="hyperband"), 24, lambda number: float(number))
    assert 1 in worse
    assert 3 in worse[1:]


def test_pruner_judges_by_the_better_direction() -> None:
    counts = losses(
        open_study(pruner="median", directions=["minimize"]), 6, lambda number: -float(number)
    )
    assert counts == [3] * 6


def test_repeated_reports_are_answered_as_before() -> None:
    found = open_study(pruner="median")
    assert losses(found, 5, lambda number: float(number))[4] == 2
    trial = found.ask(6)
    assert trial is not None
    answers = [found.report(trial, step, 100.0) for step in STEPS[:2]]
    assert answers == [True, False]
    found = open_study(pruner="median")
    trial = found.ask(6)
    assert trial is not None
    assert trial.number == 5
    assert [found.report(trial, step, 0.0) for step in STEPS[:2]] == answers
    found.tell(trial, TrialState.PRUNED, None, {})
    assert found.trials[5].intermediate_values == {300: 100.0, 600: 100.0}


def test_several_objectives_are_never_pruned() -> None:
    found = open_study(directions=["minimize", "maximize"])
    for values in ([1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [0.5, 0.0]):
        trial = found.ask(4)
        assert trial is not None
        assert found.report(trial, 300, 1.0)
        found.tell(trial, TrialState.COMPLETE, values, {})
    assert [trial.number for trial in found.ranking()] == [
        3,
        0,
        1,
    ]  # trial 1 is better than trial 2 in both


# What counts


def test_ranking_is_best_first_of_the_complete() -> None:
    found = open_study()
    ends: Iterator[Any] = iter([3.0, None, 1.0, 1.0, "out of memory", 2.0])
    for end in ends:
        trial = found.ask(10)
        assert trial is not None
        if isinstance(end, float):
            found.tell(trial, TrialState.COMPLETE, [end], {})
        elif end is None:
            found.tell(trial, TrialState.PRUNED, None, {})
        else:
            found.tell(trial, TrialState.FAIL, None, {REASON: end})
    assert [trial.number for trial in found.ranking()] == [2, 3, 5, 0]
    assert len(study.settled(found.trials)) == 6
    assert found.is_over(6)
    assert not found.is_over(7)


def test_threads_ask_for_as_many_as_there_are() -> None:
    found = open_study()

    def work() -> None:
        while run_one(found, 20):
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(trial.number for trial in found.trials) == list(range(20))
    assert found.is_over(20)


# In a database (PostgreSQL: see test_tune_shared.py)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/studies.db"
    monkeypatch.setenv(storage.ADDRESS, address)
    return address


class Clock:
    """Makes all heartbeats of a database old."""

    def __init__(self, address: str):
        self._engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)

    def advance(self, seconds: float) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, :by)"),
                {"by": f"-{seconds} seconds"},
            )
            connection.execute(
                sqlalchemy.text("UPDATE trials SET datetime_start = datetime(datetime_start, :by)"),
                {"by": f"-{seconds} seconds"},
            )


def test_trial_of_a_silent_worker_comes_back(database: str) -> None:
    first, second = open_study(), open_study()
    lost, other = first.ask(3), second.ask(3)
    assert lost is not None
    assert other is not None
    assert second.ask(2) is None
    Clock(database).advance(4 * 30 + 5)
    second._beat()
    again = second.ask(2)
    assert again is not None
    assert again.number != lost.number
    assert again.params == lost.params
    assert second.first_number(again) == lost.number
    # the silent one was only asleep: what it says now is left out
    assert not first.report(lost, 300, 1.0)
    first.tell(lost, TrialState.COMPLETE, [1.0], {"genlab.settings": {}})
    first.tell(other, TrialState.COMPLETE, [1.0], {})
    second.tell(again, TrialState.COMPLETE, [2.0], {})
    assert second.is_over(2)
    assert [trial.number for trial in study.settled(second.trials)] == sorted(
        [other.number, again.number]
    )


def test_trial_that_was_failing_as_its_worker_was_killed_comes_back_once(database: str) -> None:
    first, second = open_study(), open_study()
    lost = first.ask(1)
    assert lost is not None
    lost.set_user_attr(REASON, "took too long")  # and killed before the end
    Clock(database).advance(4 * 30 + 5)
    again = second.ask(1)
    assert again is not None
    assert study.settled(second.trials) == []
    second.tell(again, TrialState.COMPLETE, [2.0], {})
    assert [trial.number for trial in study.settled(second.trials)] == [again.number]


def test_trial_of_a_worker_killed_before_its_first_heartbeat_comes_back(database: str) -> None:
    first, second = open_study(), open_study()
    first.optuna.ask()
    clock = Clock(database)
    clock.advance(2 * 4 * 30 + 5)
    assert second.ask(1) is None
    clock.advance(4 * 30 + 5)
    again = second.ask(1)
    assert again is not None
    assert again.params == PRESENT


def test_tuner_that_fails_to_reach_its_database_says_so() -> None:
    answer = pytest.raises(
        InputError, match=r"the search's storage must answer. Received: .*no such table"
    )
    engine = sqlalchemy.create_engine("sqlite://")
    with answer, storage.storage_errors(), engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM nonesuch")


def test_address_is_postgres_by_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("postgres://a/b", "postgresql://a/b", "postgresql+psycopg://a/b"):
        monkeypatch.setenv(storage.ADDRESS, given)
        assert storage.address(settings()) == "postgresql+psycopg://a/b"
    monkeypatch.delenv(storage.ADDRESS)
    assert storage.address(settings()) is None
    assert storage.address(settings(storage="sqlite:///x")) == "sqlite:///x"


def test_first_failure_stops_all_workers() -> None:
    stopped = []

    def work(slot: int, stop: threading.Event) -> None:
        if slot == 1:
            raise ValueError("broken")
        stop.wait(10)
        stopped.append(slot)

    with pytest.raises(ValueError, match="broken"):
        loop.in_parallel(work, 3)
    assert sorted(stopped) == [0, 2]
