"""How each metric was measured; where models differ, each model's value."""

from genlab.measurement.comparison import differing
from genlab.report.collect import Laboratory


def protocols(laboratory: Laboratory) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns per metric its protocol, key by key."""
    metrics = sorted({metric for model in laboratory.models for metric in model.scores["metrics"]})
    return [(metric, _protocol(laboratory, metric)) for metric in metrics]


def _protocol(laboratory: Laboratory, metric: str) -> list[tuple[str, str]]:
    measured = [model for model in laboratory.models if metric in model.scores["metrics"]]
    found = {model.name: model.about(metric, "protocol") or {} for model in measured}
    different = differing(found)
    lines = []
    for key in sorted({key for protocol in found.values() for key in protocol}):
        one = next(protocol[key] for protocol in found.values() if key in protocol)
        each = "; ".join(f"{name}: {value}" for name, value in different.get(key, {}).items())
        lines.append((key, each or str(one)))
    return lines
