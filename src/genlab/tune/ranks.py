"""How well a rung of halving ranks: Spearman's correlation with the ranks at the last rung.

Over the trials that reached the last rung. Most of them were chosen by the rungs before, which
makes them alike and the correlation smaller than over all trials. The trials of a bracket that
compares at the last rung alone were chosen by none: over them the correlation is not biased.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from genlab.tune import halving, pauses
from genlab.tune.continued import values
from genlab.tune.plan import Plan

FEWEST = 3
"""Trials that a correlation needs; of two it is 1 or -1."""


@dataclass(frozen=True)
class RankCorrelation:
    """Of one objective's values at one rung with those at the last one; None: too few trials."""

    objective: str
    step: int
    num_trials: int
    rho: float | None
    num_unselected: int
    unselected_rho: float | None


def of_rungs(
    plan: Plan, trials: Sequence[FrozenTrial], attributes: Mapping[str, Any]
) -> list[RankCorrelation]:
    """Returns the correlations of a study by halving, objective by objective; else nothing.

    Args:
        plan: The search.
        trials: The study's.
        attributes: The study's, which say how its brackets were cut.
    """
    if plan.params.search.method != pauses.HALVING:
        return []
    steps, last = plan.pauses, len(plan.pauses) - 1
    begun = [trial for trial in trials if trial.state != TrialState.WAITING]
    ended = [trial for trial in begun if values(trial, last)]
    unselected = [
        trial
        for bracket in halving.brackets(plan.params.search, begun, attributes)
        if bracket.entry == last
        for trial in bracket.trials
        if values(trial, last)
    ]
    return [
        RankCorrelation(
            goal.name,
            steps[rung],
            len(ended),
            _rho(ended, rung, last, place),
            len(unselected),
            _rho(unselected, rung, last, place),
        )
        for place, goal in enumerate(plan.objectives)
        for rung in range(last)
    ]


def _rho(trials: Sequence[FrozenTrial], rung: int, last: int, place: int) -> float | None:
    from scipy import stats

    if len(trials) < FEWEST:
        return None
    early, late = ([(values(trial, at) or [])[place] for trial in trials] for at in (rung, last))
    if len(set(early)) == 1 or len(set(late)) == 1:
        return None
    rho = float(stats.spearmanr(early, late).statistic)
    return rho if math.isfinite(rho) else None
