"""What scores say in a sentence, and whether one model's are better than another's."""

from collections.abc import Mapping
from typing import Any

from genlab.measurement.score import Interval, Score
from genlab.runtime.errors import InputError
from genlab.settings.plugins import nearest

Metric = Mapping[str, Any]
"""One number of `scores.json`: value, interval, direction, protocol, floor, ..."""
DECIDING = "frechet_distance"
SOURCES = ("prior", "fitted")
"""Whose samples decide, where a metric is not given with its whole name: the prior's where there are such."""


def deciding(metrics: Mapping[str, Metric], by: str = DECIDING) -> str | None:
    """Returns the whole name of the metric that decides, `test/prior/frechet_distance`; None where there is none.

    Args:
        metrics: Of a model, by name.
        by: A whole name; or a metric's own, which is then that of the samples from the prior, else of the fitted ones.
    """
    names = [by, *(f"test/{source}/{by}" for source in SOURCES), f"test/reconstruction/{by}"]
    return next((name for name in names if name in metrics), None)


def told(metric: Metric) -> str:
    """Returns a value with its interval: `15.8 (13.5 to 18.1)`."""
    return _number(metric["value"]) + (
        f" ({_span(metric['interval'])})" if metric["interval"] else ""
    )


def sentence(metrics: Mapping[str, Metric]) -> str:
    """Returns what the samples' Fréchet distance is, beside that of real images; else that there is none."""
    name = deciding(metrics)
    if name is None:
        return "Its samples have no Fréchet distance."
    metric = metrics[name]
    said = f"Fréchet distance of samples ({name}): **{_number(metric['value'])}**"
    if metric["interval"]:
        said += f", 95% interval {_span(metric['interval'])}"
    floor = metric.get("floor", {}).get("floor")
    if floor is None:
        return f"{said}; lower is better."
    times = metric["value"] / floor["value"] if floor["value"] > 0 else float("inf")
    return f"{said}; as many real training images have {told(floor)}, a factor of {times:.2g}. Lower is better."


def objection(mine: Metric, theirs: Metric) -> str:
    """Returns why `mine` does not count as better than `theirs`; empty where it does.

    It is better where it lies on the right side and the two 95 % intervals do not overlap; a value without an interval
    counts as an interval of no width.

    Raises:
        InputError: The metric has no direction: no value of it is better than another.
    """
    if mine["direction"] not in ("lower", "higher"):
        raise InputError(
            "the metric that decides must be better low or high",
            f"direction {mine['direction']!r}",
            "See --by",
        )
    if different := _differences(mine["protocol"], theirs["protocol"]):
        return f"it was measured by another protocol: {'; '.join(different)}"
    gain = (
        theirs["value"] - mine["value"]
        if mine["direction"] == "lower"
        else mine["value"] - theirs["value"]
    )
    if gain <= 0:
        return f"it is worse by {_number(-gain)}" if gain else "it is the same"
    if overlap(_interval(mine), _interval(theirs)):
        return f"it is better by {_number(gain)}, which lies within the intervals"
    return ""


def unknown(by: str, metrics: Mapping[str, Metric]) -> InputError:
    """Returns the error for a metric that a model was not scored by."""
    return InputError(
        "the metric that decides must be among the model's scores",
        f"{by!r}{nearest(by, list(metrics))}",
        "See --by, and metrics.json of the model",
    )


def _differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    found = differing({"mine": mine, "theirs": theirs})
    return [f"{key} {each['mine']}, the champion's {each['theirs']}" for key, each in found.items()]


def differing(protocols: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the keys on which the protocols do not agree, each with the value per model.

    Args:
        protocols: Per model the protocol that one metric was measured by.
    """
    keys = sorted({key for protocol in protocols.values() for key in protocol})
    values = {
        key: {name: protocol.get(key) for name, protocol in protocols.items()} for key in keys
    }
    return {
        key: per_model
        for key, per_model in values.items()
        if len({repr(v) for v in per_model.values()}) > 1
    }


def interval(score: Score) -> Interval:
    """Returns the 95 % interval of a score; of one that has none its value, twice."""
    return score.interval or (score.value, score.value)


def _interval(metric: Metric) -> Interval:
    low, high = metric.get("interval") or [metric["value"]] * 2
    return low, high


def overlap(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Says whether two intervals overlap: their values are then not told apart."""
    return first[0] <= second[1] and second[0] <= first[1]


def _span(interval: tuple[float, float]) -> str:
    return f"{_number(interval[0])} to {_number(interval[1])}"


def _number(value: float) -> str:
    return f"{value:.3g}"
