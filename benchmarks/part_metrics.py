"""Speed of the metrics: a distance against SciPy's matrix root, moments against one product, all scores of a model."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.runner import Measurement, Plan, Runner
from benchmarks.summary import Bar, spread

TASKS = ("distance", "covariance", "scores")
LEAST_OF_ROOT = 5.0
MOST_OF_PRODUCT = 1.5
MOST_SECONDS = 60.0


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields the three tasks, round by round; models and precisions play no part."""
    for number in range(plan.rounds):
        for task in TASKS:
            yield {"contestant": task, "round": number, **runner.start("measuring", task)}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns the seconds by task, and the bars."""
    del plan
    found = {
        task: [each for each in measurements if each["contestant"] == task and "error" not in each]
        for task in TASKS
    }
    rows = [
        {
            "task": task,
            "seconds": asdict(spread([each["seconds"] for each in mine])) if mine else None,
        }
        for task, mine in found.items()
    ]
    faster = [each["others_seconds"] / each["seconds"] for each in found["distance"]]
    slower = [each["seconds"] / each["others_seconds"] for each in found["covariance"]]
    scored = [each["seconds"] for each in found["scores"]]
    bars = [
        Bar(
            "distance of 2,048 features: times as fast as by sqrtm", _median(faster), LEAST_OF_ROOT
        ),
        Bar(
            "10,000 samples made, featured and scored, seconds",
            _median(scored),
            MOST_SECONDS,
            at_most=True,
        ),
        Bar(
            "moments of 50,000 by 2,048: seconds / one product's",
            _median(slower),
            MOST_OF_PRODUCT,
            at_most=True,
        ),
    ]
    return {"rows": rows, "bars": [bar.as_json() for bar in bars]}


def _median(values: list[float]) -> float | None:
    return spread(values).median if values else None


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yields the seconds as text."""
    yield f"{'seconds of the metrics':<28}" + "".join(
        f"{name:>10}" for name in ("median", "least", "greatest")
    )
    for row in summary["rows"]:
        seconds = row["seconds"]
        cells = (
            [f"{seconds[key]:>10.2f}" for key in ("median", "least", "greatest")]
            if seconds
            else [" not measured"]
        )
        yield f"  {row['task']:<26}{''.join(cells)}"
