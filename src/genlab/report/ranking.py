"""Which values of one metric may stand in one row, and which of them is best."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from genlab.contract.comparison import differing, dissenting, interval, judged, overlap
from genlab.contract.score import Score
from genlab.report.laboratory import ReportedModel

FEW_IMAGES = 1000
"""With fewer real images models are not ranked by a Fréchet distance."""

REFERENCES = {"pca", "latent_pca", "pixels", "few_labels_pixels"} | {
    f"{source}_{bar}" for source in ("outliers", "held_out") for bar in ("pca", "entropy", "ink")
}
"""Sources that are measured beside a model and are none of its merits."""


@dataclass(frozen=True)
class Ranking:
    """How the models stand by one metric.

    Attributes:
        models: Those with a value of the row's protocol, from best to worst.
        refused: By name the models with a value of another protocol, and the difference.
        best: Names of the best model and of those that are not told apart from it: intervals
            overlap, or judges disagree; empty where there is no ranking.
        disputed: Of these the models that some judges find no worse than the best, and the judges.
        unranked: Why there is none, where a reader expects one.
    """

    models: list[ReportedModel]
    refused: dict[str, str] = field(default_factory=dict)
    best: list[str] = field(default_factory=list)
    unranked: str = ""
    disputed: dict[str, list[str]] = field(default_factory=dict)


def rank(models: Iterable[ReportedModel], metric: str) -> Ranking:
    """Returns the ranking of those of the models that have a metric.

    A value better than real images' own counts as theirs.
    """
    measured = [model for model in models if metric in model.scores]
    refused = _refused({model.name: model.scores[metric].protocol for model in measured})
    models = [model for model in measured if model.name not in refused]
    models.sort(key=lambda model: _loss(judged(model.scores[metric])))
    if not _has_order(metric, [model.scores[metric].direction for model in models]):
        return Ranking(models, refused)
    num_real = models[0].scores[metric].protocol.get("num_real", FEW_IMAGES)
    if "frechet_distance" in metric and num_real < FEW_IMAGES:
        return Ranking(models, refused, unranked=f"{num_real:,} real images are too few")
    spans = {model.name: interval(judged(model.scores[metric])) for model in models}
    first, *others = models
    disputed = {
        model.name: dissenting(first.scores[metric], model.scores[metric]) for model in others
    }
    best = [
        name
        for name, span in spans.items()
        if overlap(span, spans[first.name]) or disputed.get(name)
    ]
    told = {name: judges for name, judges in disputed.items() if judges}
    return Ranking(models, refused, best, disputed=told)


def _loss(score: Score) -> float:
    """Returns what is lower for a better value."""
    return -score.value if score.direction == "higher" else score.value


def _has_order(metric: str, directions: list[str]) -> bool:
    """Says whether there are two values, and a direction in which they are better."""
    is_reference = metric.split("/")[1] in REFERENCES
    return len(directions) > 1 and not is_reference and set(directions) in ({"lower"}, {"higher"})


def _refused(protocols: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Returns the models that cannot stand in the row, and why.

    A row has one protocol: that of most models; the first one's where as many have another.
    """
    if not protocols:
        return {}
    counts = Counter(map(repr, protocols.values()))
    ((common, _),) = counts.most_common(1)
    theirs = next(protocol for protocol in protocols.values() if repr(protocol) == common)
    return {
        name: f"measured by another protocol: {_differences(mine, theirs)}"
        for name, mine in protocols.items()
        if repr(mine) != common
    }


def _differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    pairs = differing({"mine": mine, "theirs": theirs}).items()
    return "; ".join(
        f"{key} is {_text(values['mine'])}, elsewhere {_text(values['theirs'])}"
        for key, values in pairs
    )


def _text(value: Any) -> str:
    return "missing" if value is None else str(value)
