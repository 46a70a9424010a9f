"""What a method of a search is: it says what comes next, and takes what came of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from optuna.trial import Trial

from genlab.training import Pause
from genlab.tune.process import Outcome


class TrialPart(NamedTuple):
    """What a worker does next: a trial's training, up to a pause or, without one, to its end."""

    trial: Trial
    settings: dict[str, Any]
    pause: Pause | None = None


class Method(Protocol):
    """Several threads call its methods."""

    may_go_on: bool
    """Whether there may be more to do after `next` has returned None."""

    def next(self) -> TrialPart | None:
        """Returns what to do next; None if that depends on what others do, or at the end."""

    def end(self, part: TrialPart, outcome: Outcome, objectives: Sequence[float] | None) -> None:
        """Takes a part's result, in `study.alone()`; without objectives it has failed."""
