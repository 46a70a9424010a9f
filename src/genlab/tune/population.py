"""Population based training: whole trainings that copy from each other and change on the way.

All trials are trained at once, in intervals. After each the worst `replaced` of them are out: each
takes the checkpoint and the settings of one of as many best (truncation selection), and changes
the settings (explore): one is drawn anew with the chance `resampled`, else multiplied or divided
by `perturbation` (Jaderberg et al., "Population Based Training of Neural Networks", 2017). A trial
whose part failed is among the worst. At the end the best trial's schedule of settings is what its
weights came from, over all copies, and trains them anew to the bit.

Departures: all trials wait for the last one after an interval, so that the result depends on no
clock; the paper lets each go on alone. A choice is kept unless it is drawn anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from genlab import training
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.params import Search
from genlab.training import Pause
from genlab.tune.continued import Continued, rungs, values
from genlab.tune.method import TrialPart
from genlab.tune.plan import Plan
from genlab.tune.study import REASON, TRAIN_KEY, Study

CHANGES = "genlab.changes"
"""A list of `Change`: what a trial became after an interval."""
SIZE = "genlab.population"


class Change(NamedTuple):
    """A trial's settings, as Optuna's parameters, from the rung of this index on.

    `source` is the trial that it was copied from; its own number at the start.
    """

    rung: int
    source: int
    params: dict[str, Any]


class Population(Continued):
    """Trials of full length, all of which are at the same interval; `num_trials` is their number.

    Raises:
        InputError: The study began with another number.
    """

    def __init__(self, plan: Plan, study: Study, num_trials: int):
        super().__init__(plan, study, num_trials)
        size = study.optuna.user_attrs.get(SIZE)
        if size is None:
            study.optuna.set_user_attr(SIZE, num_trials)
        elif size != num_trials:
            raise InputError(
                f"a population must keep its {size} trials",
                f"{num_trials}",
                f"Run: genlab tune {plan.name} --trials {size}, or give --study another name",
            )

    def _next(self) -> TrialPart | None:
        trials = self._begun()
        if part := self._part_of(trials, 0):
            return part
        if new := self._ask():
            return self._part(self.study.trials[new.number])
        for rung in range(len(self.plan.pauses)):
            if any(_is_awaited(trial, rung) for trial in trials):
                return self._part_of(trials, rung)
            self._select(trials, rung)
            trials = self._begun()  # with what they became
        for trial in trials:
            if not trial.state.is_finished():
                self._end(trial)
        return None

    def _part_of(self, trials: Sequence[FrozenTrial], rung: int) -> TrialPart | None:
        waiting = (t for t in trials if _is_awaited(t, rung) and self._is_free(t))
        return next((self._part(trial) for trial in waiting), None)

    def _part(self, trial: FrozenTrial) -> TrialPart:
        """Returns a trial's next interval."""
        pauses, rung = [0, *self.plan.pauses], len(rungs(trial))
        settings = self.plan.space.settings(changes(trial)[-1].params)
        pause = Pause(pauses[rung + 1], start=pauses[rung])
        return TrialPart(self._handles[trial.number], settings, pause)

    def _select(self, trials: Sequence[FrozenTrial], rung: int) -> None:
        """Replaces the worst after an interval; what a kill left undone is done again."""
        if rung == len(self.plan.pauses) - 1 or any(len(rungs(t)) > rung + 1 for t in trials):
            return
        best = self._best(trials, rung)
        out = [trial for trial in trials if values(trial, rung) is None]
        share = self.plan.params.search.replaced
        number = min(max(1, round(share * len(trials))), len(trials) // 2)
        out += best[max(1, len(best) - max(0, number - len(out))) :]
        for trial in out:
            if changes(trial)[-1].rung <= rung and best and trial.user_attrs[TRAIN_KEY]:
                self._replace(trial, best[: max(1, number)], rung)

    def _replace(self, trial: FrozenTrial, best: Sequence[FrozenTrial], rung: int) -> None:
        """Makes a trial a changed copy of one of the best."""
        seed = seeds.derive(self.study.seed, "population", rung, trial.number)
        rng = np.random.default_rng(seed)
        source = best[int(rng.integers(len(best)))]
        params = changes(source)[-1].params
        explored = explore(params, self.plan.space.distributions, self.plan.params.search, rng)
        training.copy_paused(source.user_attrs[TRAIN_KEY], trial.user_attrs[TRAIN_KEY])
        change = Change(rung + 1, source.number, explored)
        known = [former._asdict() for former in changes(trial)[1:]]
        self._handles[trial.number].set_user_attr(CHANGES, [*known, change._asdict()])

    def _end(self, trial: FrozenTrial) -> None:
        last = rungs(trial)[-1]
        if last["objectives"]:
            self._finish(trial.number, TrialState.COMPLETE)
        else:
            self._finish(trial.number, TrialState.FAIL, {REASON: last["reason"]})


def _is_awaited(trial: FrozenTrial, rung: int) -> bool:
    return not trial.state.is_finished() and len(rungs(trial)) <= rung


def changes(trial: FrozenTrial) -> list[Change]:
    """Returns what a trial was at the start, and what it became since."""
    begun = Change(0, trial.number, trial.params)
    return [begun, *(Change(**facts) for facts in trial.user_attrs.get(CHANGES, []))]


def explore(
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    search: Search,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Returns changed settings, as Optuna's parameters, that lie in their distributions."""
    return {
        name: _drawn(of, rng)
        if rng.random() < search.resampled
        else _perturbed(params[name], of, search.perturbation, rng)
        for name, of in distributions.items()
    }


def _drawn(of: Any, rng: np.random.Generator) -> Any:
    if isinstance(of, CategoricalDistribution):
        return of.choices[rng.integers(len(of.choices))]
    low, high = np.log((of.low, of.high)) if of.log else (of.low, of.high)
    drawn = rng.uniform(low, high)
    return _inside(of, float(np.exp(drawn) if of.log else drawn))


def _perturbed(value: Any, of: BaseDistribution, factor: float, rng: np.random.Generator) -> Any:
    if isinstance(of, CategoricalDistribution):
        return value
    return _inside(of, value * factor if rng.random() < 0.5 else value / factor)


def _inside(of: Any, value: float) -> Any:
    """Returns the nearest value of a range."""
    if of.step:
        value = of.low + round((value - of.low) / of.step) * of.step
    value = min(max(value, of.low), of.high)
    return round(value) if isinstance(of, IntDistribution) else float(value)


def schedule(
    trials: Sequence[FrozenTrial], number: int, pauses: Sequence[int]
) -> list[tuple[int, dict[str, Any]]]:
    """Returns the settings, as Optuna's parameters, that a trial's weights came from.

    Each with the step from which on they held, over all copies, oldest first.
    """
    stages: list[tuple[int, dict[str, Any]]] = []
    before = len(pauses) + 1
    while True:
        change = [one for one in changes(trials[number]) if one.rung < before][-1]
        stages.insert(0, (pauses[change.rung - 1] if change.rung else 0, change.params))
        if not change.rung:
            return stages
        number, before = change.source, change.rung
