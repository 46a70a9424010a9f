"""The metrics that are asked, each with its settings, and their answers."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import threadpoolctl

from genlab.contract.evidence import (
    Evidence,
    Measure,
    Samples,
    Unavailable,
    Values,
    without_generated,
)
from genlab.runtime import progress
from genlab.settings import plugins
from genlab.settings.params import build_section
from genlab.settings.section import Section

FEW_FEATURES = 256
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

    def ask(self, evidence: Sequence[Evidence]) -> list[list[Answer]]:
        """Returns of each evidence the answers of all metrics that need its kind, one per measure.

        All are of one kind. Samples in a small space of features are measured on all cores,
        each on one: several that share a small product wait longer than they compute.
        """
        workers = (os.cpu_count() or 1) if all(map(_is_small, evidence)) else 1
        with _threads(evidence), ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda one: [*self._answers(one)], evidence))

    def _answers(self, evidence: Evidence) -> Iterator[Answer]:
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

    def ask_parts(self, samples: Samples, kept: np.ndarray) -> list[dict[str, float]]:
        """Returns the numbers by name of each part of the generated images, bool (parts, m).

        A metric with `compute_parts` gives them at once, another one is asked for part after part;
        where one has no number for a part, it has none for any.
        """
        numbers: list[dict[str, float]] = [{} for _ in kept]
        metrics = [item for item in self._metrics if item[0].NEEDS is Samples]
        for module, settings in progress.bar(metrics, "intervals", unit="metric"):
            try:
                with _threads([samples]):
                    parts = _of_parts(module, samples, settings, kept)
            except Unavailable:
                continue
            for found, values in zip(numbers, parts, strict=True):
                found |= {name: float(value) for name, value in values.items()}
        return numbers

    def names(self, kind: type[Evidence]) -> list[str]:
        """Returns the names of all numbers that this kind of evidence gives."""
        return [
            name for module, _ in self._metrics if module.NEEDS is kind for name in module.MEASURES
        ]


def _compute(module: Any, evidence: Evidence, settings: Section) -> tuple[Values, str]:
    """Returns what a metric gives, and why it gives no more."""
    try:
        return module.compute(*_arguments(module, evidence, settings)), "not measured"
    except Unavailable as error:
        return {}, str(error)


def _of_parts(module: Any, samples: Samples, settings: Section, kept: np.ndarray) -> list[Values]:
    if hasattr(module, "compute_parts"):
        parts: list[Values] = module.compute_parts(*_arguments(module, samples, settings), kept)
        return parts
    evidence = (without_generated(samples, np.flatnonzero(~part)) for part in kept)
    return [module.compute(*_arguments(module, part, settings)) for part in evidence]


def _is_small(evidence: Evidence) -> bool:
    return isinstance(evidence, Samples) and evidence.real_features.shape[1] <= FEW_FEATURES


def _threads(evidence: Sequence[Evidence]) -> threadpoolctl.threadpool_limits:
    """Gives each product of matrices one thread if they are small."""
    return threadpoolctl.threadpool_limits(
        1 if all(map(_is_small, evidence)) else None, user_api="blas"
    )


def _arguments(module: Any, evidence: Evidence, settings: Section) -> tuple[Any, ...]:
    return (evidence, settings) if hasattr(module, "Settings") else (evidence,)
