"""Population based training: who is copied, what changes, and that a kill changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tuning_parts as tp
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from tuning_parts import run_all, trail

from genlab import training
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.tune import population
from genlab.tune.continued import rungs
from genlab.tune.method import TrialPart
from genlab.tune.plan import Plan
from genlab.tune.population import Population, changes, explore, schedule

SEARCH = {"method": "population", "intervals": 3, "replaced": 0.25}
STEPS = (1000, 2000, 3000)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(training, "copy_paused", lambda *keys: made.append(keys))
    return made


@pytest.fixture
def plan(params: Params, workplace: Path, copies: list[Any]) -> Plan:
    return tp.make_plan(params, **SEARCH)


def open_(plan: Plan, num_trials: int = 5) -> Population:
    return Population(plan, tp.open_study(plan), num_trials)


def by_number(part: TrialPart) -> list[float]:
    """The higher the number, the worse."""
    return [float(part.trial.number)]


def by_settings(part: TrialPart) -> list[float]:
    return [abs(part.settings["kl_weight"] - 3) + part.settings["learning_rate"]]


def test_all_trials_wait_for_each_other_and_the_worst_becomes_the_best(
    plan: Plan, copies: list[Any]
) -> None:
    method = open_(plan)
    parts = run_all(method, by_number)
    assert trail(parts) == [(number, step) for step in STEPS for number in range(5)]
    assert [part.pause.start for part in parts if part.pause] == [0] * 5 + [1000] * 5 + [2000] * 5
    assert copies == [("key-0", "key-4")] * 2
    trials = method.study.trials
    assert [len(changes(trial)) for trial in trials] == [1, 1, 1, 1, 3]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert method.study.is_over(5)
    assert trials[4].intermediate_values == dict.fromkeys(STEPS, 4.0)
    first = changes(trials[4])[1]
    assert (first.rung, first.source) == (1, 0)
    settings = plan.space.settings(first.params)
    assert [part.settings for part in parts if part.trial.number == 4][1] == settings
    ratio = first.params["kl_weight"] / trials[0].params["kl_weight"]
    assert ratio == pytest.approx(1.2) or ratio == pytest.approx(1 / 1.2)


def test_first_trial_goes_on_with_its_new_settings(plan: Plan, copies: list[Any]) -> None:
    """It is the next one at work, right after the selection."""
    method = open_(plan, 2)
    parts = run_all(method, lambda part: [-float(part.trial.number)])
    assert copies == [("key-1", "key-0")] * 2
    given = [part.settings for part in parts if part.trial.number == 0]
    expected = [plan.space.settings(each.params) for each in changes(method.study.trials[0])]
    assert given == expected
    assert len({str(each) for each in expected}) == 3


def test_schedule_follows_the_copies_back(plan: Plan) -> None:
    """Trial 2 is copied from 0 at step 1000; 1 from 2 at step 2000; then 2 from another one."""
    method = open_(plan, 3)

    def values(part: TrialPart) -> list[float]:
        assert part.pause
        worst = {1000: 2, 2000: 1, 3000: 0}[part.pause.step]
        best = {1000: 0, 2000: 2, 3000: 1}[part.pause.step]
        return [{worst: 9.0, best: 1.0}.get(part.trial.number, 5.0)]

    parts = run_all(method, values)
    trials = method.study.trials
    assert method.study.ranking()[0].number == 1
    got = schedule(trials, 1, plan.pauses)
    assert [step for step, _ in got] == [0, 1000, 2000]
    by_part = {(part.trial.number, part.pause.step): part.settings for part in parts if part.pause}
    expected = [by_part[0, 1000], by_part[2, 2000], by_part[1, 3000]]
    assert [plan.space.settings(params) for _, params in got] == expected
    assert schedule(trials, 0, plan.pauses) == [(0, trials[0].params)]


def test_failed_part_is_replaced(plan: Plan, copies: list[Any]) -> None:
    def values(part: TrialPart) -> list[float] | str:
        number = part.trial.number
        step = part.pause.step if part.pause else 0
        is_bad = (number == 1 and step == 1000) or (number == 2 and step == 3000)
        return "not finite" if is_bad else by_number(part)

    method = open_(plan)
    run_all(method, values)
    assert copies == [("key-0", "key-1"), ("key-0", "key-4")]
    trials = method.study.trials
    assert rungs(trials[1])[0]["reason"] == "not finite"
    assert trials[1].state == TrialState.COMPLETE
    assert trials[2].state == TrialState.FAIL
    assert trials[2].user_attrs["genlab.reason"] == "not finite"


def test_population_keeps_its_size(plan: Plan) -> None:
    open_(plan, 4)
    with pytest.raises(InputError) as error:
        open_(plan, 5)
    assert error.value.expected == "a population must keep its 4 trials"


@pytest.mark.parametrize("num_trials", [1, 2])
def test_small_populations(plan: Plan, copies: list[Any], num_trials: int) -> None:
    run_all(open_(plan, num_trials), by_number)
    assert copies == [("key-0", "key-1")] * 2 * (num_trials - 1)


def test_worker_waits_at_the_end_of_an_interval(plan: Plan) -> None:
    method = open_(plan, 2)
    held = [method.next(), method.next()]
    assert trail([part for part in held if part]) == [(0, 1000), (1, 1000)]
    assert method.next() is None
    for part in held:
        assert part
        tp.end(method, part, by_number)
    following = method.next()
    assert following
    assert trail([following]) == [(0, 2000)]


# Explore


def test_explored_settings_lie_in_their_ranges(params: Params) -> None:
    distributions = {
        "rate": FloatDistribution(1e-3, 1e-2, log=True),
        "size": IntDistribution(2, 8, step=2),
        "part": FloatDistribution(0.0, 1.0, step=0.25),
        "loss": CategoricalDistribution(["a", "b"]),
    }
    point = {"rate": 9.9e-3, "size": 8, "part": 0.0, "loss": "a"}
    rng = np.random.default_rng(0)
    for share in (0.0, 1.0):
        search = params.search.model_copy(update={"resampled": share, "perturbation": 1.3})
        drawn = [explore(point, distributions, search, rng) for _ in range(50)]
        assert {one["size"] for one in drawn} <= {2, 4, 6, 8}
        assert {one["part"] for one in drawn} <= {0.0, 0.25, 0.5, 0.75, 1.0}
        assert all(1e-3 <= one["rate"] <= 1e-2 for one in drawn)
        assert {one["loss"] for one in drawn} == ({"a", "b"} if share else {"a"})
        rates = {round(one["rate"], 8) for one in drawn}
        assert len(rates) == 50 if share else rates == {0.01, round(9.9e-3 / 1.3, 8)}


# Kills


NUM_TRIALS, STRIDE = 5, 60


@pytest.mark.parametrize(
    "moment", [41, *(pytest.param(n, marks=pytest.mark.slow) for n in range(STRIDE) if n != 41)]
)
def test_population_cut_at_every_write_is_the_uninterrupted_one(
    plan: Plan, moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = tp.Cuts(lambda: open_(plan), by_settings, moment, STRIDE)
    whole = cuts.check(tmp_path, monkeypatch)
    assert any(population.CHANGES in trial.user_attrs for trial in whole.study.trials)
