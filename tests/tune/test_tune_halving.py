"""Successive halving: who goes on, in which order, and that a kill changes nothing."""

from pathlib import Path
from typing import Any

import pytest
import tuning_parts as tp
from optuna.trial import TrialState
from tuning_parts import run_all, trail
from tuning_study import DISTANCE, PSNR

from genlab import training
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.tune import halving, pauses
from genlab.tune.continued import rungs
from genlab.tune.halving import Halving
from genlab.tune.method import TrialPart
from genlab.tune.plan import Plan
from genlab.tune.study import REASON, settled

SEARCH = {"method": "halving", "rungs": 3, "reduction_factor": 3, "brackets": 3}
RUNGS = [333, 1000, 3000]


@pytest.fixture
def plan(params: Params, workplace: Path) -> Plan:
    return tp.make_plan(params, **SEARCH)


def late(part: TrialPart) -> list[float]:
    """High numbers are best at the start, low numbers at the end."""
    number, step = part.trial.number, part.pause.step if part.pause else 0
    return [float(number if step > 500 else 100 - number)]


def open_(plan: Plan, num_trials: int, name: str = "s") -> Halving:
    return Halving(plan, tp.open_study(plan, name), num_trials)


# Rungs and brackets


@pytest.mark.parametrize(
    ("steps", "search", "expected"),
    [
        (8100, {"rungs": 4, "reduction_factor": 3}, [300, 900, 2700, 8100]),
        (8000, {"rungs": 4, "reduction_factor": 3}, [296, 889, 2667, 8000]),
        (8, {"rungs": 4, "reduction_factor": 2}, [1, 2, 4, 8]),
    ],
)
def test_rungs(params: Params, steps: int, search: Any, expected: list[int]) -> None:
    search = params.search.model_copy(update=search | {"brackets": 1})
    assert pauses.rungs(search, steps, "params.yaml: tune.vae") == expected


@pytest.mark.parametrize(("steps", "brackets", "received"), [(8, 1, "steps=8"), (900, 5, "5")])
def test_impossible_rungs_are_refused(
    params: Params, steps: int, brackets: int, received: str
) -> None:
    search = params.search.model_copy(update={"rungs": 4, "brackets": brackets})
    with pytest.raises(InputError) as error:
        pauses.rungs(search, steps, "params.yaml: tune.vae")
    assert error.value.received == received


def test_brackets_have_the_sizes_of_hyperband(params: Params) -> None:
    """Li et al. 2018, table 1: R = 81 and eta = 3."""
    search = params.search.model_copy(update={"rungs": 5, "reduction_factor": 3})
    assert [halving.size_of(search, entry) for entry in range(5)] == [81, 34, 15, 8, 5]


# Who goes on


def test_the_best_third_goes_on_and_every_bracket_comes_to_its_end(plan: Plan) -> None:
    """Sizes 9, 5, 3; of the second, which compares at step 1000, one goes on."""
    method = open_(plan, 17)
    parts = trail(run_all(method, late))
    first = [(number, 333) for number in range(9)]
    first += [(6, 1000), (7, 1000), (8, 1000), (6, 3000)]
    second = [(number, step) for number in range(9, 14) for step in (333, 1000)] + [(9, 3000)]
    third = [(number, step) for number in (14, 15, 16) for step in RUNGS]
    assert parts == first + second + third
    trials = method.study.trials
    complete = [trial.number for trial in trials if trial.state == TrialState.COMPLETE]
    assert complete == [6, 9, 14, 15, 16]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert trials[6].intermediate_values == {333: 94.0, 1000: 6.0, 3000: 6.0}
    assert [rung["objectives"] for rung in rungs(trials[7])] == [[93.0], [7.0]]
    assert method.study.is_over(17)


def test_trials_are_cut_where_they_end_and_more_make_a_new_bracket(plan: Plan) -> None:
    method = open_(plan, 4)
    assert trail(run_all(method, late))[4:] == [(3, 1000), (3, 3000)]
    assert method.study.is_over(4)
    more = trail(run_all(open_(plan, 6), late))
    assert more == [(4, 333), (4, 1000), (5, 333), (5, 1000), (4, 3000)]
    assert [trial.state for trial in method.study.trials].count(TrialState.COMPLETE) == 2


def test_failed_trials_are_out_and_take_no_place(plan: Plan) -> None:
    def values(part: TrialPart) -> list[float] | str:
        number = part.trial.number
        if number in (2, 8) or (number == 7 and part.pause and part.pause.step > 500):
            return "the losses must be finite"
        return late(part)

    method = open_(plan, 9)
    parts = trail(run_all(method, values))
    assert parts[9:] == [(5, 1000), (6, 1000), (7, 1000), (5, 3000)]
    failed = [trial for trial in method.study.trials if trial.state == TrialState.FAIL]
    assert [trial.number for trial in failed] == [2, 7, 8]
    assert {trial.user_attrs[REASON] for trial in failed} == {"the losses must be finite"}
    assert len(settled(method.study.trials)) == 9


def test_several_objectives_promote_the_knee_of_the_first_front(
    params: Params, workplace: Path
) -> None:
    """Distance is to be low, PSNR high. Trials 0 and 2 are the ends of the front, 1 is its knee."""
    plan = tp.make_plan(params, [DISTANCE, PSNR], **SEARCH | {"brackets": 1})
    points = [[0.0, 10.0], [2.0, 30.0], [10.0, 34.0], [11.0, 9.0]]
    method = open_(plan, 4)
    parts = run_all(method, lambda part: points[part.trial.number])
    assert trail(parts)[4:] == [(1, 1000), (1, 3000)]
    assert method.study.ranking()[0].number == 1
    assert method.study.trials[1].values == [2.0, 30.0]


# Several workers


def test_workers_share_a_bracket_and_begin_the_next_one(plan: Plan) -> None:
    method = open_(plan, 17)
    held = [method.next() for _ in range(10)]
    assert trail([part for part in held if part]) == [(number, 333) for number in range(10)]
    for part in held[:8]:
        assert part
        tp.end(method, part, late)
    other = method.next()  # trial 8 is still at work: nobody of its bracket can go on
    assert other
    assert other.trial.number == 10
    for part in (held[8], held[9], other):
        assert part
        tp.end(method, part, late)
    assert trail([part for part in (method.next(), method.next()) if part]) == [
        (6, 1000),
        (7, 1000),
    ]


def test_worker_waits_for_the_last_one(plan: Plan) -> None:
    method = open_(plan, 1)
    part = method.next()
    assert part
    assert method.next() is None
    assert method.may_go_on
    assert not method.study.is_over(1)


# Kills


NUM_TRIALS, STRIDE = 14, 90


@pytest.mark.parametrize(
    "moment", [11, *(pytest.param(n, marks=pytest.mark.slow) for n in range(STRIDE) if n != 11)]
)
def test_study_cut_at_every_write_is_the_uninterrupted_one(
    plan: Plan, moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = tp.Cuts(lambda: open_(plan, NUM_TRIALS), late, moment, STRIDE)
    cuts.check(tmp_path, monkeypatch)


def test_checkpoints_of_trials_that_are_out_are_removed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(training, "discard", removed.append)
    run_all(open_(plan, 9), late)
    assert sorted(removed) == [f"key-{number}" for number in range(9)]
    removed.clear()
    open_(plan, 9)  # a kill may have come before the removal
    assert sorted(removed) == [f"key-{number}" for number in range(9)]
