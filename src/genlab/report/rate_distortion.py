"""The rate-distortion curve, where `genlab rate-distortion` has made one."""

from typing import Any

from genlab.report.figures import GREY, Figure, accent, axis
from genlab.report.laboratory import RateDistortion

HOVER = "rate %{x:.4g}<br>distortion %{y:.4g}<extra>kl_weight %{text}</extra>"


def figure(curve: RateDistortion) -> Figure:
    """Returns distortion over rate, each point with its weight and its 95 % intervals."""
    points, facts = curve.points, curve.protocol
    weights = [f"{weight:g}" for weight in points["kl_weight"]]
    texts = [
        f"weight {weight}: rate {rate:.4g}, distortion {distortion:.4g}"
        for weight, rate, distortion in zip(
            weights, points["rate"], points["distortion"], strict=True
        )
    ]
    return Figure(
        title=f"{facts.get('model')} on {facts.get('data')}, {facts.get('steps'):,} steps each",
        text=f"Rate-distortion curve, nats per image. {', '.join(texts)}.",
        data=[_bound(points), _curve(points, weights)],
        layout={
            "xaxis": axis("rate: KL, nats per image"),
            "yaxis": axis("distortion, nats per image"),
            "hovermode": "closest",
        },
        note=f"{facts.get('num_real'):,} {facts.get('split')} images, {facts.get('intervals')}",
        height=360,
    )


def _bound(points: dict[str, list[float]]) -> dict[str, Any]:
    """Returns the line on which rate and distortion have the best point's sum."""
    bound, ends = min(points["negative_elbo"]), [min(points["rate"]), max(points["rate"])]
    line = {"x": ends, "y": [bound - rate for rate in ends], "name": f"sum {bound:.1f}"}
    look = {"dash": "dash", "width": 1.2, "color": GREY}
    return line | {"mode": "lines", "line": look, "hoverinfo": "skip"}


def _curve(points: dict[str, list[float]], weights: list[str]) -> dict[str, Any]:
    return {
        "x": points["rate"],
        "y": points["distortion"],
        "error_x": _arms(points, "rate"),
        "error_y": _arms(points, "distortion"),
        "mode": "lines+markers+text",
        "text": weights,
        "textposition": "top right",
        "name": "numbers: kl_weight",
        "marker": {"color": accent(1), "size": 7},
        "hovertemplate": HOVER,
    }


def _arms(points: dict[str, list[float]], name: str) -> dict[str, Any]:
    """Returns how far an interval reaches above and below its value."""
    values, lows, highs = (points[f"{name}{end}"] for end in ("", "_low", "_high"))
    above = [max(0.0, high - value) for value, high in zip(values, highs, strict=True)]
    below = [max(0.0, value - low) for value, low in zip(values, lows, strict=True)]
    arms = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return arms | {"color": accent(1), "thickness": 1.2, "width": 3}
