"""Trials that are asked for and told, without training: all samplers and pruners, cut anywhere."""

import itertools
import json
import math
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from fixtures_models import ROOT
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
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
SILENCE = 4 * 30 + 5
"""Seconds after which a worker has lost its trial."""


def settings(**changes: Any) -> Search:
    ours = {"startup_trials": 4, "num_reports": 3, "pruner": "none"}
    return build_section(Search, read_yaml(ROOT / "params.yaml")["search"] | ours | changes, "-: ")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv(storage.ADDRESS, raising=False)


class Killed(BaseException):
    """The process is gone."""


def open_study(
    name: str = "s", space: Space = SPACE, directions: Any = ("minimize",), **changes: Any
) -> Study:
    """Returns the study as a new process opens it."""
    search = settings(**changes)
    return study.load(
        storage.open_storage(search, name), name, space, list(directions), search, IDENTITY
    )


def ask(opened: Study, num_trials: int = 100) -> Trial:
    trial = opened.ask(num_trials)
    assert trial is not None
    return trial


def end(opened: Study, trial: Trial, value: float = 1.0) -> None:
    opened.tell(trial, TrialState.COMPLETE, [value], {"genlab.settings": {}})


def value_of(trial: Trial) -> float:
    """A loss that is lowest at a rate of 0.1 and a weight of 3; it takes no training."""
    return (math.log10(trial.params["rate"]) + 1) ** 2 + (trial.params["weight"] - 3) ** 2 / 10


def run_one(opened: Study, num_trials: int) -> bool:
    """Asks for a trial, reports at three steps, tells; returns whether there was one."""
    trial = opened.ask(num_trials)
    if trial is None:
        return False
    for step in STEPS:
        if not opened.report(trial, step, value_of(trial) * (1 + 300 / step)):
            opened.tell(trial, TrialState.PRUNED, None, {})
            return True
    if trial.number % 5 == 4:
        opened.tell(trial, TrialState.FAIL, None, {REASON: "was killed"})
    else:
        facts = {"genlab.settings": dict(trial.params)}
        opened.tell(trial, TrialState.COMPLETE, [value_of(trial)], facts)
    return True


def run_all(num_trials: int, **changes: Any) -> Study:
    opened = open_study(**changes)
    while run_one(opened, num_trials):
        pass
    return opened


# Samplers


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_first_trial_is_the_present_settings(sampler: str) -> None:
    opened = run_all(14, sampler=sampler)
    assert opened.trials[0].params == PRESENT
    assert [trial.number for trial in opened.trials] == list(range(14))
    assert all(trial.params != PRESENT for trial in opened.trials[1:])
    num_different = len({json.dumps(trial.params) for trial in opened.trials})
    assert num_different == 14 or (sampler == "nsga2" and num_different > 9)  # it keeps parents
    assert opened.is_over(14)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_sampler_learns(sampler: str) -> None:
    """Random trials have 1.9 on average here."""
    trials = run_all(45, sampler=sampler).trials
    values = [trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE]
    assert sum(values[-10:]) / 10 < 1.0


def test_trials_depend_on_the_seed_which_the_name_changes() -> None:
    first = history(run_all(6).trials)
    shutil.rmtree(storage.folder("s"))
    assert history(run_all(6).trials) == first
    other = history(run_all(6, name="another").trials)
    assert other[0] == first[0]
    assert [trial[2] for trial in other[1:]] != [trial[2] for trial in first[1:]]


def test_grid_is_cut_short_continues_and_ends_after_its_points() -> None:
    points = [{"size": size, "act": act} for size in (2, 4, 6) for act in ("relu", "tanh")]
    expected = [POINTS.present, *(point for point in points if point != POINTS.present)]
    for number in (2, 4, 100):
        opened = open_study(sampler="grid", space=POINTS)
        while trial := opened.ask(number):
            end(opened, trial)
        assert opened.is_over(number)
        done = [trial.params for trial in study.settled(opened.trials)]
        assert done == expected[: min(number, 6)]
    assert len(opened.trials) == 6


# Cut off at any moment


class FallsAfter:
    """Writes so many times to the journal; then the process is gone, in mid-line if `torn`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, torn: bool):
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


NUM_TRIALS, STRIDE = 9, 30


@pytest.mark.parametrize(
    "moment", [9, *(pytest.param(n, marks=pytest.mark.slow) for n in range(STRIDE) if n != 9)]
)
@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("tpe", "median"), ("tpe", "hyperband"), ("random", "none"), ("random", "median")],
)
def test_study_cut_at_every_write_is_the_uninterrupted_one(
    sampler: str, pruner: str, moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process per write: each writes once more than the one before, up to the end."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    search = {"sampler": sampler, "pruner": pruner}
    expected = history(run_all(NUM_TRIALS, **search).trials)
    states = [trial[1] for trial in expected]
    assert "COMPLETE" in states
    assert ("PRUNED" in states) == (pruner != "none")
    journal = (storage.folder("s") / "journal.log").read_bytes().splitlines()
    differing = []
    for number in range(moment, len(journal), STRIDE):
        root = tmp_path / f"{number}"
        monkeypatch.setenv("DVC_ROOT", str(root))
        with monkeypatch.context() as patch:
            FallsAfter(patch, number, torn=bool(number % 2))
            with pytest.raises(Killed):
                run_all(NUM_TRIALS, **search)
        if history(run_all(NUM_TRIALS, **search).trials) != expected:
            differing.append((number, json.loads(journal[number])))
        shutil.rmtree(root)
    if pruner == "hyperband":  # it writes its rung before the study writes the decision
        differing = [cut for cut in differing if not _is_decision(cut[1])]
    assert differing == []


def _is_decision(line: dict[str, Any]) -> bool:
    keys = line.get("system_attr", {})
    return DECIDED in line.get("user_attr", {}) or any("completed_rung" in key for key in keys)


def test_study_cut_everywhere_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process is gone after a few more writes: lost trials are lost again."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    expected = history(run_all(5, pruner="median").trials)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "cut"))
    for number in range(100):
        try:
            with monkeypatch.context() as patch:
                FallsAfter(patch, 3 + number % 3, torn=bool(number % 2))
                run_all(5, pruner="median")
        except Killed:
            continue
        break
    assert 10 < number < 99
    assert history(run_all(5, pruner="median").trials) == expected


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("random", marks=pytest.mark.slow)])
def test_lost_trial_keeps_number_and_parameters(
    sampler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    expected = run_all(7, sampler=sampler).trials[6].params
    numbers_of_parameters = set()
    for number in range(1, 5):
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / f"{number}"))
        opened = run_all(6, sampler=sampler)
        with monkeypatch.context() as patch, suppress(Killed):
            FallsAfter(patch, number, torn=True)
            opened.ask(7)
        opened = open_study(sampler=sampler)
        assert opened.trials[6].state == TrialState.RUNNING
        numbers_of_parameters.add(len(opened.trials[6].params))
        trial = ask(opened, 7)
        assert (trial.number, trial.params) == (6, expected)
        assert opened.ask(7) is None
    assert numbers_of_parameters == {0, 1, 2}


def test_several_lost_trials_come_first() -> None:
    opened = open_study()
    before = [ask(opened) for _ in range(3)]
    opened = open_study()
    after = [ask(opened) for _ in range(4)]
    assert [trial.number for trial in after] == [0, 1, 2, 3]
    assert [trial.params for trial in after[:3]] == [trial.params for trial in before]
    assert not opened.is_over(0)


def test_reason_without_end_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the reason of a failure and the end of the trial: it is lost, not settled."""
    opened = open_study()
    trial = ask(opened, 2)
    with monkeypatch.context() as patch, suppress(Killed):
        FallsAfter(patch, 1, torn=False)
        opened.tell(trial, TrialState.FAIL, None, {REASON: "took too long"})
    opened = open_study()
    assert REASON in opened.trials[0].user_attrs
    assert study.settled(opened.trials) == []
    end(opened, ask(opened, 1))
    assert opened.is_over(1)
    assert [trial.state for trial in study.settled(opened.trials)] == [TrialState.COMPLETE]


@pytest.mark.parametrize("torn", [b'{"op_code": 1', b"{", b'{"op_code": 4, "worker_id": "x"}'])
def test_torn_last_line_is_removed(torn: bytes) -> None:
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


def test_lock_of_a_killed_tuner_is_ignored() -> None:
    run_all(2)
    path = storage.folder("s") / "journal.log"
    path.with_name("journal.log.lock").symlink_to(path)
    started = datetime.now()
    assert len(run_all(3).trials) == 3
    assert datetime.now() - started < timedelta(seconds=5)


# One tuner of a journal


def test_second_tuner_of_a_journal_is_refused() -> None:
    with storage.only_tuner("s"):
        with pytest.raises(InputError) as error, storage.only_tuner("s"):
            pass
        with storage.only_tuner("other"):
            pass
    assert error.value.received == "a second one for 's'"
    with storage.only_tuner("s"):
        pass


def test_study_of_another_space_is_refused() -> None:
    open_study()
    search = settings()
    other = IDENTITY | {"space": "t", "steps": 300}
    with pytest.raises(InputError) as error:
        study.load(storage.open_storage(search, "s"), "s", SPACE, ["minimize"], search, other)
    assert error.value.received == "another space, steps"
    assert len(open_study().trials) == 1


# Pruners


def num_reports(opened: Study, num_trials: int, sign: int) -> list[int]:
    """Returns how often trials report that always report `sign` times their number."""
    counts = []
    while trial := opened.ask(num_trials):
        answers = (opened.report(trial, step, float(sign * trial.number)) for step in STEPS)
        count = len(list(itertools.takewhile(bool, answers)))
        if count == 3:
            end(opened, trial)
        else:
            opened.tell(trial, TrialState.PRUNED, None, {})
        counts.append(min(count + 1, 3))
    return counts


@pytest.mark.parametrize(
    ("pruner", "sign", "expected"),
    [
        ("median", 1, [3, 3, 3, 3, 2, 2, 2, 2]),  # the worse half, from the second report on
        ("median", -1, [3] * 8),
        ("none", 1, [3] * 8),
        ("hyperband", -1, [3] * 8),  # a trial that is the best yet goes on
    ],
)
def test_pruner_ends_worse_trials(pruner: str, sign: int, expected: list[int]) -> None:
    assert num_reports(open_study(pruner=pruner), 8, sign) == expected


def test_hyperband_does_not_decide_everything_at_the_first_report() -> None:
    counts = num_reports(open_study(pruner="hyperband"), 24, 1)
    assert 1 in counts
    assert 3 in counts[1:]


def test_repeated_reports_get_the_same_answers() -> None:
    opened = open_study(pruner="median")
    assert num_reports(opened, 5, 1)[4] == 2
    trial = ask(opened, 6)
    answers = [opened.report(trial, step, 100.0) for step in STEPS[:2]]
    assert answers == [True, False]
    opened = open_study(pruner="median")
    trial = ask(opened, 6)
    assert trial.number == 5
    assert [opened.report(trial, step, 0.0) for step in STEPS[:2]] == answers
    opened.tell(trial, TrialState.PRUNED, None, {})
    assert opened.trials[5].intermediate_values == {300: 100.0, 600: 100.0}


def test_several_objectives_are_not_pruned_and_have_a_front() -> None:
    opened = open_study(directions=["minimize", "maximize"])
    for values in ([1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [0.5, 0.0]):
        trial = ask(opened, 4)
        assert opened.report(trial, 300, 1.0)
        opened.tell(trial, TrialState.COMPLETE, values, {})
    assert [trial.number for trial in opened.front()] == [0, 1, 3]  # 1 is better than 2 in both
    assert [trial.number for trial in opened.ranking()] == [3, 0, 1, 2]  # three lie on one line


# What counts


def test_ranking_is_of_complete_trials_best_first() -> None:
    opened = open_study()
    for value in (3.0, None, 1.0, 1.0, "out of memory", 2.0):
        trial = ask(opened)
        if isinstance(value, float):
            end(opened, trial, value)
        elif value is None:
            opened.tell(trial, TrialState.PRUNED, None, {})
        else:
            opened.tell(trial, TrialState.FAIL, None, {REASON: value})
    assert [trial.number for trial in opened.ranking()] == [2, 3, 5, 0]
    assert len(study.settled(opened.trials)) == 6
    assert opened.is_over(6)
    assert not opened.is_over(7)


def test_threads_run_each_trial_once() -> None:
    opened = open_study()

    def work(slot: int, stop: threading.Event) -> None:
        while run_one(opened, 20):
            pass

    loop.in_parallel(work, 4)
    assert sorted(trial.number for trial in opened.trials) == list(range(20))
    assert opened.is_over(20)


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


# In a database (PostgreSQL: see test_tune_shared.py)


@pytest.fixture
def advance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves studies into SQLite; returns a function that makes heartbeats and starts older."""
    address = f"sqlite:///{tmp_path}/studies.db"
    monkeypatch.setenv(storage.ADDRESS, address)
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)

    def advance(seconds: float) -> None:
        with engine.begin() as connection:
            for table, time in (("trial_heartbeats", "heartbeat"), ("trials", "datetime_start")):
                statement = f"UPDATE {table} SET {time} = datetime({time}, :by)"  # noqa: S608
                connection.execute(sqlalchemy.text(statement), {"by": f"-{seconds} seconds"})

    return advance


def test_trial_of_a_silent_worker_comes_back(advance: Callable[[float], None]) -> None:
    first, second = open_study(), open_study()
    lost, other = ask(first, 3), ask(second, 3)
    assert second.ask(2) is None
    advance(SILENCE)
    second._beat()
    again = ask(second, 2)
    assert again.number != lost.number
    assert again.params == lost.params
    assert second.first_number(again) == lost.number
    # The silent worker was only asleep: what it says now does not count.
    assert not first.report(lost, 300, 1.0)
    end(first, lost)
    end(first, other)
    end(second, again)
    assert second.is_over(2)
    numbers = [trial.number for trial in study.settled(second.trials)]
    assert numbers == sorted([other.number, again.number])


def test_trial_killed_between_reason_and_end_comes_back_once(
    advance: Callable[[float], None],
) -> None:
    first, second = open_study(), open_study()
    ask(first, 1).set_user_attr(REASON, "took too long")
    advance(SILENCE)
    again = ask(second, 1)
    assert study.settled(second.trials) == []
    end(second, again)
    assert [trial.number for trial in study.settled(second.trials)] == [again.number]


def test_trial_killed_before_its_first_heartbeat_comes_back(
    advance: Callable[[float], None],
) -> None:
    first, second = open_study(), open_study()
    first.optuna.ask()
    advance(2 * SILENCE)
    assert second.ask(1) is None
    advance(SILENCE)
    assert ask(second, 1).params == PRESENT


def test_tuner_that_loses_its_database_says_so() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with (
        pytest.raises(InputError) as error,
        storage.storage_errors(),
        engine.connect() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM nonesuch")
    assert "no such table" in error.value.received


def test_address_is_postgres_by_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("postgres://a/b", "postgresql://a/b", "postgresql+psycopg://a/b"):
        monkeypatch.setenv(storage.ADDRESS, given)
        assert storage.address(settings()) == "postgresql+psycopg://a/b"
    monkeypatch.delenv(storage.ADDRESS)
    assert storage.address(settings()) is None
    assert storage.address(settings(storage="sqlite:///x")) == "sqlite:///x"
