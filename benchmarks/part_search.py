"""Speed of a search: two workers on this machine against one, and what a trial takes beside training and measuring."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.part_table import NUM_IMAGES
from benchmarks.runner import Measurement, Plan, Runner
from benchmarks.summary import Bar, paired_ratios, spread

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
                found = runner.start("searching", model, *options)
                yield {"contestant": workers, "model": model, "round": number, **found}


def _models(plan: Plan) -> list[str]:
    return [model for model in MODELS if model in plan.models]


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns trials per hour by model and workers, and the bars."""
    rows, bars = [], []
    for model in _models(plan):
        mine = [each for each in measurements if each["model"] == model and "error" not in each]
        speeds = {
            workers: {
                each["round"]: each["trials_per_hour"]
                for each in mine
                if each["contestant"] == workers
            }
            for workers in WORKERS
        }
        rows += [
            {
                "model": model,
                "workers": workers,
                "trials_per_hour": asdict(spread(list(found.values()))),
            }
            for workers, found in speeds.items()
            if found
        ]
        ratio = paired_ratios(speeds[2], speeds[1])
        value = ratio.median if ratio else None
        bars.append(Bar(f"{model}: trials per hour of two workers / of one", value, LEAST_RATIO))
        for workers in WORKERS:
            shares = [each["overhead"] for each in mine if each["contestant"] == workers]
            name = f"{model}, workers: {workers}: share of a trial beside training and measuring"
            bars.append(
                Bar(name, spread(shares).median if shares else None, MOST_OVERHEAD, at_most=True)
            )
    return {"rows": rows, "bars": [bar.as_json() for bar in bars]}


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yields trials per hour as text."""
    yield f"{'trials per hour':<28}" + "".join(
        f"{name:>10}" for name in ("median", "least", "greatest")
    )
    for row in summary["rows"]:
        speed = row["trials_per_hour"]
        cells = "".join(f"{speed[key]:>10.0f}" for key in ("median", "least", "greatest"))
        yield f"  {row['model']}, workers: {row['workers']:<11}{cells}"
