"""Studies whose trials go on, in a journal, with results that take no training."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tuning_study as ts
from optuna.storages.journal import JournalFileBackend
from tuning_study import DISTANCE, RANGES
from tuning_workspace import history

from genlab.settings.params import Params
from genlab.tune import pauses, storage, study
from genlab.tune.continued import Continued
from genlab.tune.method import TrialPart
from genlab.tune.objective import Objective
from genlab.tune.plan import Plan
from genlab.tune.process import Outcome
from genlab.tune.study import Study

Values = Callable[[TrialPart], list[float] | str]
"""Returns the objectives of a part, or why it fails."""


def make_plan(params: Params, objectives: list[Objective] | None = None, **search: Any) -> Plan:
    plan = ts.make_plan(params, RANGES, objectives or [DISTANCE])
    changed = plan.params.search.model_copy(update={"pruner": "none"} | search)
    assert changed.method in pauses.PAUSES
    return replace(plan, params=plan.params.model_copy(update={"search": changed}))


def open_study(plan: Plan, name: str = "s") -> Study:
    """Returns the study as a new process opens it."""
    search = plan.params.search
    directions = [goal.direction for goal in plan.objectives]
    opened = storage.open_storage(search, name)
    return study.load(opened, name, plan.space, directions, search, plan.identity)


def run_one(method: Continued, values: Values) -> TrialPart | None:
    """Does what comes next; returns it."""
    part = method.next()
    if part:
        end(method, part, values)
    return part


def end(method: Continued, part: TrialPart, values: Values) -> None:
    got = values(part)
    key = f"key-{part.trial.number}"
    if isinstance(got, str):
        outcome, objectives = Outcome("failed", None, got, 1.0, key), None
    else:
        outcome, objectives = Outcome("done", {"a": got[0]}, "", 1.0, key), got
    with method.study.alone():
        method.end(part, outcome, objectives)


def run_all(method: Continued, values: Values) -> list[TrialPart]:
    """Does everything, one part after the other."""
    done = []
    while part := run_one(method, values):
        done.append(part)
    return done


def trail(parts: list[TrialPart]) -> list[tuple[int, int]]:
    """Returns number and step of parts."""
    return [(part.trial.number, part.pause.step if part.pause else 0) for part in parts]


class Killed(BaseException):
    """The process is gone."""


def falls_after(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    left, write = [number], JournalFileBackend.append_logs

    def append(backend: Any, logs: list[dict[str, Any]]) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        write(backend, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", append)


class Cuts(NamedTuple):
    """A study that is cut at some of the writes to its journal: `moment`, every `stride` later."""

    open: Callable[[], Continued]
    values: Values
    moment: int
    stride: int

    def check(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> Continued:
        """Asserts that it ends as the uninterrupted one; returns this."""
        monkeypatch.setenv("DVC_ROOT", str(root / "whole"))
        whole = self.open()
        run_all(whole, self.values)
        journal = (storage.folder("s") / "journal.log").read_bytes().splitlines()
        for number in range(self.moment, len(journal), self.stride):
            monkeypatch.setenv("DVC_ROOT", str(root / str(number)))
            with monkeypatch.context() as patch:
                falls_after(patch, number)
                with pytest.raises(Killed):
                    run_all(self.open(), self.values)
            again = self.open()
            run_all(again, self.values)
            wanted = history(whole.study.trials)
            assert history(again.study.trials) == wanted, json.loads(journal[number])
            shutil.rmtree(root / str(number))
        return whole
