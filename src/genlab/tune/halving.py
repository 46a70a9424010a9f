"""Successive halving whose trials go on, in Hyperband's brackets.

A bracket's trials are trained up to a rung and compared there; the best 1 / `reduction_factor` of
them go on to the next rung, which has as many times as many steps, until the last one, at
`tune.<model>.steps`. Bracket 0 begins to compare at the first rung, bracket 1 at the second, with
fewer trials, and so on, since what is best early need not be best late (Jamieson and Talwalkar,
"Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016; Li et al.,
"Hyperband", JMLR 18, 2018). After the last bracket the first one comes again.

Departures: a promoted trial goes on from its checkpoint, where the papers train anew or leave it
open. All trials are measured at every rung that they pass, also below the one at which their
bracket begins to compare, so that a rung's rank can be held against the last one's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from genlab.settings.params import Search
from genlab.training import Pause
from genlab.tune.continued import Continued, Rung, rungs, values
from genlab.tune.method import TrialPart
from genlab.tune.study import REASON

CLOSED = "genlab.bracket_{}"
"""An attribute of the study: the size of a bracket that has fewer trials than it could."""


class Bracket(NamedTuple):
    """Trials that are compared with each other, from the rung of index `entry` on."""

    number: int
    entry: int
    size: int
    trials: list[FrozenTrial]


def size_of(search: Search, entry: int) -> int:
    """Returns a bracket's number of trials, so that all brackets make about as many steps."""
    halvings = search.rungs - 1 - entry
    return -(-search.rungs * search.reduction_factor**halvings // (halvings + 1))


def brackets(
    search: Search, begun: Sequence[FrozenTrial], attributes: Mapping[str, Any]
) -> Iterator[Bracket]:
    """Yields the brackets that have trials, and the one for the next trial.

    Args:
        search: Its `rungs`, `reduction_factor` and `brackets` are read.
        begun: The study's trials without those that wait in the queue.
        attributes: The study's.
    """
    number = first = 0
    while True:
        entry = number % search.brackets
        size = attributes.get(CLOSED.format(number)) or size_of(search, entry)
        members = list(begun[first : first + size])
        yield Bracket(number, entry, size, members)
        if len(members) < size:
            return
        number, first = number + 1, first + size


class Halving(Continued):
    """Trials in brackets, each compared at its rungs."""

    def _take(self, part: TrialPart, known: FrozenTrial, facts: dict[str, Any], rung: Rung) -> None:
        if rung.objectives:
            super()._take(part, known, facts, rung)
        else:
            self._finish(known.number, TrialState.FAIL, facts | {REASON: rung.reason})

    def _next(self) -> TrialPart | None:
        of = self.study.optuna.user_attrs
        for bracket in brackets(self.plan.params.search, self._begun(), of):
            part = self._part_of(bracket)
            if part:
                return part
        return None

    def _part_of(self, bracket: Bracket) -> TrialPart | None:
        """Returns what a bracket waits for, if nobody is at it."""
        if part := self._first_part(bracket.trials, bracket.entry):
            return part
        if len(bracket.trials) < bracket.size:
            if trial := self._ask():
                return self._part(self.study.trials[trial.number])
            if not bracket.trials:
                return None
            size = len(bracket.trials)
            self.study.optuna.set_user_attr(CLOSED.format(bracket.number), size)
            bracket = bracket._replace(size=size)
        return self._compare(bracket)

    def _compare(self, bracket: Bracket) -> TrialPart | None:
        """Ends the trials that are out at a rung; returns the next part of one that is not."""
        trials, last = bracket.trials, self.plan.params.search.rungs - 1
        for rung in range(bracket.entry, last + 1):
            if any(_is_awaited(trial, rung) for trial in trials):
                return self._first_part(trials, rung)
            best = self._best(trials, rung)
            kept = best[: _num_kept(bracket, rung, self.plan.params.search)]
            state = TrialState.COMPLETE if rung == last else TrialState.PRUNED
            for trial in best:
                is_out = rung == last or trial not in kept
                if is_out and not trial.state.is_finished():
                    self._finish(trial.number, state)
            trials = sorted(kept, key=lambda trial: trial.number)
        return None

    def _first_part(self, trials: Sequence[FrozenTrial], rung: int) -> TrialPart | None:
        waiting = (t for t in trials if _is_awaited(t, rung) and self._is_free(t))
        return next((self._part(trial) for trial in waiting), None)

    def _part(self, trial: FrozenTrial) -> TrialPart:
        """Returns a trial's training up to its next rung."""
        step = self.plan.pauses[len(rungs(trial))]
        settings = self.plan.space.settings(trial.params)
        return TrialPart(self._handles[trial.number], settings, Pause(step))


def _is_awaited(trial: FrozenTrial, rung: int) -> bool:
    """Whether a trial is to have a value at a rung, and has none yet."""
    return not trial.state.is_finished() and values(trial, rung) is None


def _num_kept(bracket: Bracket, rung: int, search: Search) -> int:
    """Returns how many of a bracket go on from a rung: at least one."""
    return max(1, bracket.size // search.reduction_factor ** (rung - bracket.entry + 1))
