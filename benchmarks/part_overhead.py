"""The share of a real training's time that tracking, pictures and checkpoints take, by switching them off."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.part_table import NUM_IMAGES
from benchmarks.runner import Measurement, Plan, Runner
from benchmarks.summary import Bar, overhead, spread

MOST = 0.03


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields pairs of trainings in float32, which of the two comes first changing from round to round."""
    for number in range(plan.rounds):
        for model in plan.models:
            for variant in ("on", "off") if number % 2 else ("off", "on"):
                result = runner.run("overhead", model, "float32", NUM_IMAGES, variant=variant)
                yield {"contestant": variant, "model": model, "round": number, **result}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns the share by model, and the bars."""
    rows, bars = [], []
    for model in plan.models:
        found = {
            (each["contestant"], each["round"]): each
            for each in measurements
            if each["model"] == model and "error" not in each
        }
        pairs = [
            (found["on", n], found["off", n])
            for n in range(plan.rounds)
            if {("on", n), ("off", n)} <= set(found)
        ]
        share = spread([overhead(on, off) for on, off in pairs]) if pairs else None
        rows.append({"model": model, "share": asdict(share) if share else None})
        name = f"{model}: tracking, pictures and checkpoints, share of the time"
        bars.append(Bar(name, share.median if share else None, MOST, at_most=True))
    return {"rows": rows, "bars": [bar.as_json() for bar in bars]}


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yields the shares as text."""
    yield "share of a real training's time: tracking, pictures, checkpoints"
    for row in summary["rows"]:
        share = row["share"]
        cells = (
            [f"{share[key]:>9.1%}" for key in ("median", "least", "greatest")]
            if share
            else [" not measured"]
        )
        yield f"  {row['model']:<20}{''.join(cells)}"
