"""Speed of the metrics: distance by matrix root, moments by one product, scores, the command."""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import summary
from benchmarks.runner import Plan, Runner
from benchmarks.summary import Bar, Measurement, median_of, select, spread

TASKS = ("distance", "covariance", "scores", "command")
LEAST_OF_ROOT = 5.0
MOST_OF_PRODUCT = 1.5
MOST_SECONDS = 60.0


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields the tasks, round by round; models and precisions play no part."""
    for number in range(plan.rounds):
        for task in TASKS:
            yield {"contestant": task, "round": number, **runner.start("measuring", task)}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns the seconds by task, and the bars."""
    del plan
    of_task = {task: select(measurements, contestant=task) for task in TASKS}
    seconds = {task: spread(entry["seconds"] for entry in of_task[task]) for task in TASKS}
    rows = [{"task": task, "seconds": summary.as_json(seconds[task])} for task in TASKS]
    faster = spread(entry["others_seconds"] / entry["seconds"] for entry in of_task["distance"])
    slower = spread(entry["seconds"] / entry["others_seconds"] for entry in of_task["covariance"])
    names = (
        "distance of 2,048 features: times as fast as by sqrtm",
        "10,000 samples made, featured and scored, seconds",
        "moments of 50,000 by 2,048: seconds / one product's",
        "genlab score, 10,000 against 10,000, panel: processor seconds",
    )
    bars = [
        Bar(names[0], median_of(faster), LEAST_OF_ROOT),
        Bar(names[1], median_of(seconds["scores"]), MOST_SECONDS, at_most=True),
        Bar(names[2], median_of(slower), MOST_OF_PRODUCT, at_most=True),
        Bar(names[3], median_of(seconds["command"]), MOST_SECONDS, at_most=True),
    ]
    return summary.result(rows, bars)


def lines(part: dict[str, Any]) -> Iterable[str]:
    """Yields the seconds as text."""
    yield summary.header("seconds of the metrics", 28)
    for row in part["rows"]:
        yield f"  {row['task']:<26}{summary.cells(row['seconds'], '.2f')}"
