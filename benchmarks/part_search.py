"""Speed of a search: two workers against one, and what a trial takes beside its own work."""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import summary
from benchmarks.part_table import NUM_IMAGES
from benchmarks.runner import Plan, Runner
from benchmarks.summary import (
    Bar,
    Measurement,
    by_round,
    median_of,
    paired_ratios,
    select,
    spread,
)

MODELS = ("vae", "gan")
WORKERS = (1, 2)
NUM_TRIALS = 6
LEAST_RATIO, MOST_OVERHEAD = 1.6, 0.05


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields searches by one worker and by two, in turn."""
    data = runner.dataset(NUM_IMAGES)
    for number in range(plan.rounds):
        for model in _models(plan):
            for workers in WORKERS if number % 2 else WORKERS[::-1]:
                options = (f"--data={data}", f"--workers={workers}", f"--trials={NUM_TRIALS}")
                result = runner.start("searching", model, *options)
                yield {"contestant": workers, "model": model, "round": number, **result}


def _models(plan: Plan) -> list[str]:
    return [model for model in MODELS if model in plan.models]


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns trials per hour by model and workers, and the bars."""
    rows, bars = [], []
    for model in _models(plan):
        own = {number: select(measurements, model=model, contestant=number) for number in WORKERS}
        speeds = {number: by_round(own[number], "trials_per_hour") for number in WORKERS}
        ratio = median_of(paired_ratios(speeds[2], speeds[1]))
        bars.append(Bar(f"{model}: trials per hour of two workers / of one", ratio, LEAST_RATIO))
        for number in WORKERS:
            speed = spread(speeds[number].values())
            share = spread(entry["overhead"] for entry in own[number])
            name = f"{model}, workers: {number}: share of a trial beside training and measuring"
            bars.append(Bar(name, median_of(share), MOST_OVERHEAD, at_most=True))
            if speed:
                facts = {"model": model, "workers": number}
                rows.append(facts | {"trials_per_hour": summary.as_json(speed)})
    return summary.result(rows, bars)


def lines(part: dict[str, Any]) -> Iterable[str]:
    """Yields trials per hour as text."""
    yield summary.header("trials per hour", 28)
    for row in part["rows"]:
        cells = summary.cells(row["trials_per_hour"], ".0f")
        yield f"  {row['model']}, workers: {row['workers']:<11}{cells}"
