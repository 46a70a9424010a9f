"""Latency and throughput of a served model: one sample and 64 per request, as arrays and PNGs."""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import summary
from benchmarks.runner import Plan, Runner
from benchmarks.summary import Bar, Measurement, median_of, spread

MODELS = ("vae", "gan")
MOST_SECONDS = 0.1
"""For one sample as PNG: what a person perceives as immediate (Miller 1968)."""
NUMBERS = ("median_seconds", "p95_seconds", "samples_per_second")


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields the cases of each model, round by round; each has a server of its own."""
    for number in range(plan.rounds):
        for model in MODELS:
            yield {"contestant": model, "round": number, **runner.start("serving", model)}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns latency and throughput by model and case, and the bars."""
    del plan
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for entry in measurements:
        for case in entry.get("cases", []):
            key = entry["contestant"], case["format"], case["num_images"]
            groups.setdefault(key, []).append(case)
    rows = []
    for (model, form, number), cases in groups.items():
        numbers = {name: summary.as_json(spread(case[name] for case in cases)) for name in NUMBERS}
        rows.append({"model": model, "format": form, "num_images": number, **numbers})
    bars = []
    for model in MODELS:
        tail = spread(case["p95_seconds"] for case in groups.get((model, "png", 1), []))
        name = f"{model}: 1 sample as PNG, p95, seconds"
        bars.append(Bar(name, median_of(tail), MOST_SECONDS, at_most=True))
    return summary.result(rows, bars)


def lines(part: dict[str, Any]) -> Iterable[str]:
    """Yields latency in milliseconds and samples per second as text."""
    yield f"{'requests to a served model':<32}{'median ms':>12}{'p95 ms':>12}{'samples/s':>12}"
    for row in part["rows"]:
        median, tail, speed = (row[name]["median"] for name in NUMBERS)
        label = f"  {row['model']}, {row['num_images']} as {row['format']}"
        yield f"{label:<32}{1000 * median:>12.1f}{1000 * tail:>12.1f}{speed:>12.0f}"
