"""Trials from their start to their end, one after the other as the sampler suggests them."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import TrialState

from genlab import training
from genlab.tune.method import TrialPart
from genlab.tune.plan import Plan
from genlab.tune.process import Outcome
from genlab.tune.study import REASON, SECONDS, SETTINGS, VALUES, Study

STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class Sampled:
    """Trials of `tune.<model>.steps`, which a pruner may end."""

    def __init__(self, plan: Plan, study: Study, num_trials: int):
        self._plan = plan
        self._study = study
        self._num_trials = num_trials
        self.may_go_on = study.is_shared  # another machine's trial may be lost

    def next(self) -> TrialPart | None:
        """Returns the next trial."""
        trial = self._study.ask(self._num_trials)
        return TrialPart(trial, self._plan.space.settings(trial.params)) if trial else None

    def end(self, part: TrialPart, outcome: Outcome, objectives: Sequence[float] | None) -> None:
        """Ends the trial."""
        facts: dict[str, Any] = {SETTINGS: part.settings, SECONDS: round(outcome.seconds, 3)}
        if outcome.state == "done":
            facts[VALUES] = outcome.values
        if outcome.state == "failed":
            facts[REASON] = outcome.reason
        self._study.tell(part.trial, STATES[outcome.state], objectives, facts)
        if outcome.train_key:
            training.discard(outcome.train_key)
