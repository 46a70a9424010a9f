"""Numbers with all that belongs to them, the reasons for missing ones, pictures and arrays."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genlab.contract.evidence import Evidence, Protocol, Unavailable, without_blocks
from genlab.contract.score import Score
from genlab.evaluation.panel import Answer, Panel
from genlab.numerics import intervals
from genlab.numerics.intervals import Estimate

Repeats = Mapping[str, Sequence[Evidence]]
"""By judge the same sets."""
LeaveOut = Callable[[Panel, Any], Sequence[Mapping[str, float]]]
"""From evidence to the numbers without each of some blocks of images; none: no interval."""


def leave_out_blocks(panel: Panel, evidence: Evidence) -> list[dict[str, float]]:
    """Returns the numbers without each block of the images; none where these are few."""
    parts = without_blocks(evidence, intervals.NUM_BLOCKS)
    return [_set_values(answers) for answers in panel.ask(parts)]


@dataclass
class Scores:
    """The numbers of one model, what is missing and why, and pictures and arrays beside them.

    Attributes:
        panel: The metrics.
        seed: Of the bootstrap.
        split: Whose images are real; names begin with it.
        metrics: The scores by name: `test/prior/frechet_distance`.
        skipped: By name why there is no value.
        pictures: By name uint8 NHWC.
        arrays: By the name of a file the arrays in it.
    """

    panel: Panel
    seed: int
    split: str = "test"
    metrics: dict[str, Score] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Returns the bare numbers by name."""
        return {name: score.value for name, score in self.metrics.items()}

    def add(
        self,
        source: str,
        evidence: Evidence,
        protocol: Protocol,
        method: str,
        leave_out: LeaveOut = leave_out_blocks,
    ) -> None:
        """Scores the evidence of one source by every metric that needs its kind.

        A value per image gets the bootstrap's interval, a value of the whole set the jackknife's
        (over what `leave_out` gives). The protocol is how the evidence came about, the method the
        same in a word; the metric's settings are added.
        """
        self.add_opinions(source, {"": evidence}, protocol, method, leave_out)

    def add_opinions(
        self,
        source: str,
        opinions: Mapping[str, Evidence],
        protocol: Protocol,
        method: str,
        leave_out: LeaveOut = leave_out_blocks,
    ) -> None:
        """Scores one set by each judge, as `add` does: the mean over judges is the number."""

        @functools.cache
        def values_without_blocks() -> list[dict[str, float]]:
            blocks = [leave_out(self.panel, evidence) for evidence in opinions.values()]
            return [_means(same) for same in zip(*blocks, strict=True)]

        for answers in zip(*self.panel.ask([*opinions.values()]), strict=True):
            if self._is_missing(source, answers):
                continue
            answer, values = answers[0], [answer.value for answer in answers]
            if np.ndim(answer.value):
                estimate = intervals.of_mean(np.mean(values, axis=0), self.seed)
            else:
                without = [block.get(answer.name, np.nan) for block in values_without_blocks()]
                estimate = intervals.of_jackknife(float(np.mean(values)), without)
            judges = dict(zip(opinions, map(float, map(np.mean, values)), strict=True))
            self._keep(source, answer, estimate, protocol, method, judges)

    def add_repeats(
        self, source: str, repeats: Sequence[Evidence], protocol: Protocol, method: str
    ) -> None:
        """Scores several sets, each of a seed of its own, as `add` does: the mean is the number."""
        self.add_judged(source, {"": repeats}, protocol, method)

    def add_judged(self, source: str, repeats: Repeats, protocol: Protocol, method: str) -> None:
        """Scores several sets, each of a seed of its own, by each judge.

        The number is the mean over judges and sets. Its interval is over the sets, each with the
        mean over judges as its value.
        """
        answers_of = iter(self.panel.ask([one for sets in repeats.values() for one in sets]))
        asked = [[next(answers_of) for _ in sets] for sets in repeats.values()]
        for by_judge in zip(*(zip(*sets, strict=True) for sets in asked), strict=True):
            answers = [answer for own in by_judge for answer in own]
            if self._is_missing(source, answers):
                continue
            values = [[float(np.mean(answer.value)) for answer in own] for own in by_judge]
            estimate = intervals.of_repeats(np.mean(values, axis=0).tolist())
            judges = dict(zip(repeats, np.mean(values, axis=1).tolist(), strict=True))
            self._keep(source, answers[0], estimate, protocol, method, judges)

    def gather(
        self,
        source: str,
        kind: type[Evidence],
        evidence: Callable[[], Evidence],
        protocol: Protocol,
        method: str,
    ) -> None:
        """Adds what `evidence` returns, or notes why it is unavailable."""
        try:
            available = evidence()
        except Unavailable as reason:
            self.skip(source, kind, str(reason))
        else:
            self.add(source, available, protocol, method)

    def skip(self, source: str, kind: type[Evidence], reason: str) -> None:
        """Notes why the metrics of this kind of evidence have no value from `source`."""
        self.skipped |= {f"{self.split}/{source}/{name}": reason for name in self.panel.names(kind)}

    def _name(self, source: str, answer: Answer) -> str:
        return f"{self.split}/{source}/{answer.name}"

    def _is_missing(self, source: str, answers: Sequence[Answer]) -> bool:
        """Notes why there is no number where a judge, or one set, has none."""
        missing = [answer for answer in answers if answer.value is None]
        if missing:
            self.skipped[self._name(source, missing[0])] = missing[0].reason
        return bool(missing)

    def _keep(
        self,
        source: str,
        answer: Answer,
        estimate: Estimate,
        protocol: Protocol,
        method: str,
        judges: dict[str, float],
    ) -> None:
        self.skipped.pop(self._name(source, answer), None)
        facts = answer.measure._asdict()
        limits = facts.pop("limits")
        self.metrics[self._name(source, answer)] = Score(
            **intervals.within(estimate, limits)._asdict(),
            **facts,
            method=method,
            protocol=protocol | {"metric": answer.settings},
            judges=judges if len(judges) > 1 else {},
        )


def _set_values(answers: Iterable[Answer]) -> dict[str, float]:
    """Returns the values of a whole set by name."""
    return {answer.name: answer.value for answer in answers if isinstance(answer.value, float)}


def _means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns the means of the numbers that all judges have, by name."""
    names = set.intersection(*(set(one) for one in values))
    return {name: float(np.mean([one[name] for one in values])) for name in names}
