"""The metrics that are asked, each with its settings, and their answers."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from genlab.contract.evidence import Evidence, Measure, Unavailable, Values
from genlab.settings import plugins
from genlab.settings.params import build_section
from genlab.settings.section import Section

WHERE = "params.yaml: evaluation.metrics"


class Answer(NamedTuple):
    """What one metric says of one evidence: a value, or the reason why there is none."""

    name: str
    measure: Measure
    settings: dict[str, Any]
    value: Any
    reason: str


class Panel:
    """The metrics that `params.yaml: evaluation.metrics` lists."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], where: str = WHERE):
        """Takes an entry with settings for each metric.

        Raises:
            InputError: There is no such metric, or no such setting.
        """
        self._metrics = []
        for name, entry in entries.items():
            module = plugins.find("metrics", name, where)
            settings = build_section(getattr(module, "Settings", Section), entry, f"{where}.{name}")
            self._metrics.append((module, settings))

    def ask(self, evidence: Evidence) -> Iterator[Answer]:
        """Yields the answers of all metrics that need this kind of evidence, one per measure."""
        for module, settings in self._metrics:
            if module.NEEDS is not type(evidence):
                continue
            values, reason = _compute(module, evidence, settings)
            facts = settings.model_dump(mode="json")
            for name, measure in module.MEASURES.items():
                value = values.get(name)
                if value is not None and not np.isfinite(value).all():
                    value, reason = None, "not a finite number"
                yield Answer(name, measure, facts, value, reason)

    def names(self, kind: type[Evidence]) -> list[str]:
        """Returns the names of all numbers that this kind of evidence gives."""
        return [
            name for module, _ in self._metrics if module.NEEDS is kind for name in module.MEASURES
        ]


def _compute(module: Any, evidence: Evidence, settings: Section) -> tuple[Values, str]:
    """Returns what a metric gives, and why it gives no more."""
    arguments = (evidence, settings) if hasattr(module, "Settings") else (evidence,)
    try:
        return module.compute(*arguments), "not measured"
    except Unavailable as error:
        return {}, str(error)
