"""Which values of one metric may stand in one row, and which of them is best."""

from collections import Counter
from typing import Any

from genlab.measurement.comparison import differing, interval, overlap
from genlab.report.collect import Compared

FEW_IMAGES = 1000
"""With fewer real images models are not ranked by a Fréchet distance."""

REFERENCES = {"pca", "latent_pca", "pixels"}
"""What is measured beside a model and is none of its merits."""


def rank(laboratory: Compared, metric: str) -> tuple[list[str], str]:
    """Returns the models with the best value of a metric, and why there is no ranking where there is none.

    Values are ranked only where at least two models have one, by one and the same protocol. Whose interval overlaps
    that of the best one is not told apart from it, and counts as best, too.
    """
    foreign = refused(laboratory, metric)
    values = {
        m.name: v
        for m in laboratory.models
        if m.name not in foreign and (v := m.value(metric)) is not None
    }
    directions = {m.about(metric, "direction") for m in laboratory.models if m.name in values}
    if len(values) < 2 or directions not in ({"lower"}, {"higher"}):
        return [], ""
    if metric.split("/")[1] in REFERENCES:
        return [], ""
    if "frechet_distance" in metric and laboratory.num_real < FEW_IMAGES:
        return [], f"{laboratory.num_real:,} real images are too few"
    best = (min if directions == {"lower"} else max)(values, key=lambda name: values[name])
    spans = {
        m.name: interval(m.scores["metrics"][metric]) for m in laboratory.models if m.name in values
    }
    return [name for name, span in spans.items() if overlap(span, spans[best])], ""


def refused(laboratory: Compared, metric: str) -> dict[str, str]:
    """Returns the models whose value does not belong in one row with the others', each with the reason.

    A row has one protocol: that of most models, of the first ones where as many have another.
    """
    measured = [model for model in laboratory.models if model.value(metric) is not None]
    protocols = {model.name: model.about(metric, "protocol") or {} for model in measured}
    counts = Counter(map(repr, protocols.values()))
    common = next(
        (each for each in protocols.values() if repr(each) == counts.most_common(1)[0][0]), {}
    )
    return {
        name: "measured by another protocol: " + "; ".join(_differences(protocol, common))
        for name, protocol in protocols.items()
        if repr(protocol) != repr(common)
    }


def _differences(protocol: dict[str, Any], common: dict[str, Any]) -> list[str]:
    keys = differing({"this": protocol, "others": common})
    return [
        f"{key} is {_told(each['this'])}, elsewhere {_told(each['others'])}"
        for key, each in keys.items()
    ]


def _told(value: Any) -> str:
    return "missing" if value is None else str(value)
