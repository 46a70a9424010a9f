"""Numbers with all that belongs to them: interval, unit, reference, method and protocol; and what is missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genlab.evaluation import intervals
from genlab.evaluation.panel import Answer, Panel
from genlab.measures import Evidence, Protocol, Unavailable, without_block


@dataclass
class Scores:
    """The numbers of one model, what was left out and why, and the pictures and arrays that go with them.

    Attributes:
        panel: Whom to ask.
        seed: Of the bootstrap.
        metrics: By name: value, interval, interval_method, unit, direction, reference, method, protocol.
        skipped: By name: why there is no value.
        pictures: uint8 NHWC.
        arrays: By the name of a file the arrays in it: `latents`, `class_histogram` and others.
    """

    panel: Panel
    seed: int
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Returns the bare numbers by name."""
        return {name: metric["value"] for name, metric in self.metrics.items()}

    def add(self, source: str, evidence: Evidence | Sequence[Evidence], protocol: Protocol, method: str) -> None:
        """Asks every metric that needs this kind of evidence.

        Args:
            source: What is scored: `prior`, `reconstruction`.
            evidence: One, or several that differ in the seed of what was generated: then the mean is the number.
            protocol: How it came about; the metric's own settings are added.
            method: The same in a word, for the reader.
        """
        repeats = list(evidence) if isinstance(evidence, Sequence) else [evidence]
        for answers in zip(*(self.panel.ask(each) for each in repeats), strict=True):
            first, name = answers[0], f"test/{source}/{answers[0].name}"
            missing = next((answer for answer in answers if answer.value is None), None)
            if missing is not None:
                self.skipped[name] = missing.reason
                continue
            estimate = self._estimate(answers, repeats[0])
            facts = first.measure._asdict() | {"method": method, "protocol": protocol | {"metric": first.settings}}
            self.metrics[name] = estimate._asdict() | facts

    def _estimate(self, answers: Sequence[Answer], evidence: Evidence) -> intervals.Estimate:
        values = [answer.value for answer in answers]
        if len(values) > 1:
            return intervals.of_repeats([float(np.mean(value)) for value in values])
        if np.ndim(values[0]):
            return intervals.of_mean(values[0], self.seed)
        parts = (without_block(evidence, block, intervals.NUM_BLOCKS) for block in range(intervals.NUM_BLOCKS))
        without = [self._value(part, answers[0].name) for part in parts]
        return intervals.of_jackknife(float(values[0]), without)

    def _value(self, evidence: Evidence, name: str) -> float:
        return float(next(answer.value for answer in self.panel.ask(evidence) if answer.name == name))

    def gather(
        self, source: str, kind: type[Evidence], evidence: Callable[[], Evidence], protocol: Protocol, method: str
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
        self.skipped |= {f"test/{source}/{name}": reason for name in self.panel.names(kind)}
