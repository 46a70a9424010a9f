"""The share of a real training's time that tracking, pictures and checkpoints take."""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import summary
from benchmarks.part_table import NUM_IMAGES
from benchmarks.runner import Case, Plan, Runner
from benchmarks.summary import Bar, Measurement, median_of, overhead, select, spread

MOST = 0.03


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields pairs of trainings in float32; which of the two is first changes by round."""
    for number in range(plan.rounds):
        for model in plan.models:
            for variant in ("on", "off") if number % 2 else ("off", "on"):
                case = Case("overhead", model, "float32", NUM_IMAGES)
                result = runner.run(case, variant=variant)
                yield {"contestant": variant, "model": model, "round": number, **result}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns the share by model, and the bars."""
    rows, bars = [], []
    for model in plan.models:
        on, off = (
            {entry["round"]: entry for entry in select(measurements, model=model, contestant=name)}
            for name in ("on", "off")
        )
        share = spread(overhead(on[number], off[number]) for number in sorted(set(on) & set(off)))
        rows.append({"model": model, "share": summary.as_json(share)})
        name = f"{model}: tracking, pictures and checkpoints, share of the time"
        bars.append(Bar(name, median_of(share), MOST, at_most=True))
    return summary.result(rows, bars)


def lines(part: dict[str, Any]) -> Iterable[str]:
    """Yields the shares as text."""
    yield "share of a real training's time: tracking, pictures, checkpoints"
    for row in part["rows"]:
        yield f"  {row['model']:<20}{summary.cells(row['share'], '.1%')}"
