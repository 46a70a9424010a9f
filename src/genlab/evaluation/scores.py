"""Numbers with all that belongs to them: interval, unit, reference, method and protocol; and what is missing."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genlab.evaluation.panel import Answer, Panel
from genlab.measurement.evidence import Evidence, Protocol, Unavailable, without_blocks
from genlab.numerics import intervals

NOT_FINITE = "not a finite number"


def leave_out_blocks(evidence: Evidence) -> list[Evidence]:
    """Returns the evidence without each block of its images; nothing where they are few."""
    return without_blocks(evidence, intervals.NUM_BLOCKS)


@dataclass
class Scores:
    """The numbers of one model, what was left out and why, and the pictures and arrays that go with them.

    Attributes:
        panel: Whom to ask.
        seed: Of the bootstrap.
        split: Whose images are real; names begin with it.
        metrics: By name: value, interval (or None), interval_method, unit, direction, reference, method, protocol.
        skipped: By name: why there is no value.
        pictures: uint8 NHWC.
        arrays: By the name of a file the arrays in it: `latents`, `class_histogram` and others.
    """

    panel: Panel
    seed: int
    split: str = "test"
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Returns the bare numbers by name."""
        return {name: metric["value"] for name, metric in self.metrics.items()}

    def add(
        self,
        source: str,
        evidence: Evidence | Sequence[Evidence],
        protocol: Protocol,
        method: str,
        leave_out: Callable[[Any], Iterable[Evidence]] = leave_out_blocks,
    ) -> None:
        """Asks every metric that needs this kind of evidence.

        Args:
            source: What is scored: `prior`, `reconstruction`.
            evidence: One, or several that differ in the seed of what was generated: then the mean is the number.
            protocol: How it came about; the metric's own settings are added.
            method: The same in a word, for the reader.
            leave_out: What the jackknife of one evidence compares: the evidence without each of some blocks.
        """
        repeats = list(evidence) if isinstance(evidence, Sequence) else [evidence]
        blocks = functools.cache(lambda: [self._numbers(part) for part in leave_out(repeats[0])])
        for answers in zip(*(self.panel.ask(each) for each in repeats), strict=True):
            first, name = answers[0], f"{self.split}/{source}/{answers[0].name}"
            missing = next((answer for answer in answers if answer.value is None), None)
            if missing is not None:
                self.skipped[name] = missing.reason
                continue
            if not all(np.isfinite(answer.value).all() for answer in answers):
                self.skipped[name] = NOT_FINITE
                continue
            facts = first.measure._asdict() | {
                "method": method,
                "protocol": protocol | {"metric": first.settings},
            }
            self.metrics[name] = self._estimate(answers, blocks)._asdict() | facts

    def _estimate(
        self, answers: Sequence[Answer], blocks: Callable[[], list[dict[str, float]]]
    ) -> intervals.Estimate:
        values = [answer.value for answer in answers]
        if len(values) > 1:
            return intervals.of_repeats([float(np.mean(value)) for value in values])
        if np.ndim(values[0]):
            return intervals.of_mean(values[0], self.seed)
        return intervals.of_jackknife(
            float(values[0]), [block.get(answers[0].name, np.nan) for block in blocks()]
        )

    def _numbers(self, evidence: Evidence) -> dict[str, float]:
        """Returns the numbers that are of the whole set, by name."""
        return {
            each.name: each.value
            for each in self.panel.ask(evidence)
            if isinstance(each.value, float)
        }

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
            found = evidence()
        except Unavailable as reason:
            self.skip(source, kind, str(reason))
        else:
            self.add(source, found, protocol, method)

    def skip(self, source: str, kind: type[Evidence], reason: str) -> None:
        """Notes why the metrics of this kind of evidence have no value from `source`."""
        self.skipped |= {f"{self.split}/{source}/{name}": reason for name in self.panel.names(kind)}
