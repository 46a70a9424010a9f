"""Latency and throughput of a served model: one sample and 64 per request, as arrays and as PNG."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.runner import Measurement, Plan, Runner
from benchmarks.summary import Bar, spread

MODELS = ("vae", "gan")
MOST_SECONDS = 0.1
"""For one sample as PNG: what a person takes for at once (Miller 1968)."""
NUMBERS = ("median_seconds", "p95_seconds", "samples_per_second")


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields the cases of each model, round by round; each has a server of its own."""
    for number in range(plan.rounds):
        for model in MODELS:
            yield {"contestant": model, "round": number, **runner.start("serving", model)}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns latency and throughput by model and case, and the bars."""
    del plan
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for each in measurements:
        for case in each.get("cases", []):
            found.setdefault((each["contestant"], case["format"], case["num_images"]), []).append(
                case
            )
    rows = [
        {"model": model, "format": form, "num_images": number}
        | {name: asdict(spread([case[name] for case in cases])) for name in NUMBERS}
        for (model, form, number), cases in found.items()
    ]
    bars = []
    for model in MODELS:
        cases = found.get((model, "png", 1), [])
        value = spread([case["p95_seconds"] for case in cases]).median if cases else None
        bars.append(
            Bar(f"{model}: 1 sample as PNG, p95, seconds", value, MOST_SECONDS, at_most=True)
        )
    return {"rows": rows, "bars": [bar.as_json() for bar in bars]}


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yields latency in milliseconds and samples per second as text."""
    yield f"{'requests to a served model':<32}{'median ms':>12}{'p95 ms':>12}{'samples/s':>12}"
    for row in summary["rows"]:
        median, tail, speed = (row[name]["median"] for name in NUMBERS)
        label = f"  {row['model']}, {row['num_images']} as {row['format']}"
        yield f"{label:<32}{1000 * median:>12.1f}{1000 * tail:>12.1f}{speed:>12.0f}"
