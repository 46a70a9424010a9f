"""Trials that go on: a training is paused, measured, and continued from its own checkpoint.

Every trial is one training of `tune.<model>.steps`, whose schedules run over all of them; a pause
changes no bit of it. In Optuna it is a running trial until it is out for good. What comes next is
a function of what the storage holds, so that a study goes on after a kill as if it had not been
killed. Checkpoints lie on one machine: such a study is kept in a journal.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, Trial, TrialState

from genlab import tracking, training
from genlab.tune import front
from genlab.tune.method import TrialPart
from genlab.tune.plan import Plan
from genlab.tune.process import Outcome
from genlab.tune.study import SECONDS, SETTINGS, TRAIN_KEY, VALUES, Study

RUNGS = "genlab.rungs"
"""A list of `Rung`, one per pause."""


class Rung(NamedTuple):
    """What a trial has at a pause: the objectives' values, or why there are none."""

    step: int
    objectives: Sequence[float] | None
    reason: str = ""


class Continued(ABC):
    """What halving and populations share."""

    may_go_on = True

    def __init__(self, plan: Plan, study: Study, num_trials: int):
        self.plan = plan
        self.study = study
        self.num_trials = num_trials
        self._handles: dict[int, Trial] = {}
        self._busy: set[int] = set()
        for trial in study.trials:
            if trial.state.is_finished():
                _discard(trial)  # a kill may have left its checkpoint

    def next(self) -> TrialPart | None:
        """Returns what to do next; None if that depends on what others do, or at the end."""
        with self.study.alone():
            while self.study.lost and (lost := self.study.ask(self.num_trials)):
                self._handles[lost.number] = lost
            part = self._next()
            if part:
                self._busy.add(part.trial.number)
            return part

    def end(self, part: TrialPart, outcome: Outcome, objectives: Sequence[float] | None) -> None:
        """Takes a part's result, in `study.alone()`; without objectives it has failed."""
        self._busy.discard(part.trial.number)
        known = self.study.trials[part.trial.number]
        seconds = known.user_attrs.get(SECONDS, 0.0) + outcome.seconds
        facts = {SETTINGS: part.settings, SECONDS: round(seconds, 3), TRAIN_KEY: outcome.train_key}
        facts |= {VALUES: outcome.values} if objectives else {}
        step = part.pause.step if part.pause else self.plan.tune.steps
        self._take(part, known, facts, Rung(step, objectives, outcome.reason))

    def _take(
        self, part: TrialPart, known: FrozenTrial, facts: dict[str, Any], rung: "Rung"
    ) -> None:
        """Stores a part's result with its trial."""
        of = rung.objectives
        if of and len(of) == 1 and rung.step not in known.intermediate_values:
            part.trial.report(of[0], rung.step)
        facts[RUNGS] = [*rungs(known), rung._asdict()]  # last: from now on the part is done
        for name, fact in facts.items():
            part.trial.set_user_attr(name, fact)

    @abstractmethod
    def _next(self) -> TrialPart | None:
        """Returns what to do next, and ends the trials that are out."""

    def _begun(self) -> list[FrozenTrial]:
        """Returns the trials that were asked for; those that wait in the queue come after them."""
        return [trial for trial in self.study.trials if trial.state != TrialState.WAITING]

    def _ask(self) -> Trial | None:
        """Returns a new trial, if there may be more."""
        trial = self.study.ask(self.num_trials)
        if trial:
            self._handles[trial.number] = trial
        return trial

    def _is_free(self, trial: FrozenTrial) -> bool:
        """Whether a trial may go on, and no other thread works on it."""
        return not trial.state.is_finished() and trial.number not in self._busy

    def _best(self, trials: Sequence[FrozenTrial], rung: int) -> list[FrozenTrial]:
        """Returns the trials that have values at a rung, best first."""
        measured = [trial for trial in trials if values(trial, rung)]
        points = [signed(values(trial, rung) or [], self.plan) for trial in measured]
        return [measured[index] for index in front.order(points)]

    def _finish(self, number: int, state: TrialState, facts: dict[str, Any] | None = None) -> None:
        """Ends a trial for good, and removes its checkpoint."""
        if state == TrialState.PRUNED:
            identity = self.plan.training_id(f"trial {number}")
            tracking.end_training(identity, "FINISHED", tags={"genlab.trial_state": "pruned"})
        is_complete = state == TrialState.COMPLETE
        of = rungs(self.study.trials[number])[-1]["objectives"] if is_complete else None
        self.study.tell(self._handles[number], state, of, facts or {})
        _discard(self.study.trials[number])


def rungs(trial: FrozenTrial) -> list[dict[str, Any]]:
    """Returns what a trial has at each pause so far."""
    return list(trial.user_attrs.get(RUNGS, []))


def values(trial: FrozenTrial, rung: int) -> list[float] | None:
    """Returns the objectives at a rung; None if the trial has not come so far, or failed there."""
    known = rungs(trial)
    return known[rung]["objectives"] if rung < len(known) else None


def signed(values: Sequence[float], plan: Plan) -> list[float]:
    """Returns the objectives so that low is better."""
    return [goal.sign * value for goal, value in zip(plan.objectives, values, strict=True)]


def _discard(trial: FrozenTrial) -> None:
    if key := trial.user_attrs.get(TRAIN_KEY):
        training.discard(key)
