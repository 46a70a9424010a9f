"""Spearman's correlation of each rung with the last one, on ranks that are known."""

from pathlib import Path

import pytest
import tuning_parts as tp

from genlab.settings.params import Params
from genlab.tune import ranks
from genlab.tune.halving import Halving
from genlab.tune.method import TrialPart

SEARCH = {"method": "halving", "rungs": 3, "reduction_factor": 2, "brackets": 3}
NUM_TRIALS = 11
"""Brackets of 4, 3 and 3 trials, of which 1, 1 and 3 come to the end; and one more, alone."""
UNSELECTED = {7: (5.0, 2.0, 1.0), 8: (6.0, 1.0, 2.0), 9: (7.0, 3.0, 4.0)}


def values(part: TrialPart) -> list[float]:
    rung = [750, 1500, 3000].index(part.pause.step if part.pause else 0)
    number = part.trial.number
    return [UNSELECTED[number][rung] if number in UNSELECTED else 10.0 + number]


def test_correlations(params: Params, workplace: Path) -> None:
    plan = tp.make_plan(params, **SEARCH)
    method = Halving(plan, tp.open_study(plan), NUM_TRIALS)
    tp.run_all(method, values)
    trials = method.study.trials
    first, second = ranks.of_rungs(plan, trials, method.study.optuna.user_attrs)
    assert (first.step, second.step) == (750, 1500)
    assert first.objective == "frechet_distance"
    assert (first.num_trials, first.num_unselected) == (6, 3)
    assert first.unselected_rho == pytest.approx(1.0)
    assert second.unselected_rho == pytest.approx(0.5)  # ranks 2 1 3 against 1 2 3: 1 - 6 * 2 / 24
    assert first.rho == pytest.approx(1.0)
    assert second.rho == pytest.approx(1 - 6 * 2 / (6 * 35))


def test_other_methods_have_none(params: Params, workplace: Path) -> None:
    plan = tp.make_plan(params, method="population")
    assert ranks.of_rungs(plan, [], {}) == []


def test_too_few_trials_have_no_correlation(params: Params, workplace: Path) -> None:
    plan = tp.make_plan(params, **SEARCH)
    method = Halving(plan, tp.open_study(plan), 2)
    tp.run_all(method, values)
    found = ranks.of_rungs(plan, method.study.trials, method.study.optuna.user_attrs)
    assert [(each.rho, each.num_trials, each.unselected_rho) for each in found] == [
        (None, 1, None)
    ] * 2
