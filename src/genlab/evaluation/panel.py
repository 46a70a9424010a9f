"""The metrics that are asked, each with its settings, and what they answer."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from genlab.measurement.evidence import Evidence, Measure, Unavailable
from genlab.settings import plugins
from genlab.settings.params import Section, build_section

WHERE = "params.yaml: evaluation.metrics"


class Answer(NamedTuple):
    """What one metric says of one evidence: a value, or the reason why there is none."""

    name: str
    measure: Measure
    settings: dict[str, Any]
    value: Any
    reason: str = ""


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
        """Yields the answer of each metric that needs this kind of evidence, one for each of its measures."""
        for module, settings in self._metrics:
            if module.NEEDS is not type(evidence):
                continue
            facts, values, reason = settings.model_dump(mode="json"), {}, "not measured"
            try:
                values = (
                    module.compute(evidence, settings)
                    if hasattr(module, "Settings")
                    else module.compute(evidence)
                )
            except Unavailable as error:
                reason = str(error)
            for name, measure in module.MEASURES.items():
                yield Answer(name, measure, facts, values.get(name), reason)

    def names(self, kind: type[Evidence]) -> list[str]:
        """Returns the names of all numbers that this kind of evidence gives."""
        return [
            name for module, _ in self._metrics if module.NEEDS is kind for name in module.MEASURES
        ]
