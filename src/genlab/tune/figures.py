"""Which figures a study has; what cannot be drawn is left out with its reason."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure as Drawing

from genlab.pages import significant
from genlab.tune import drawing
from genlab.tune.objective import Objective
from genlab.tune.study import Study

FEW = 20
"""Of fewer trials the shares of settings are guesses."""
AXIS_WIDTH = 85
"""What one of many parallel axes takes at least, in CSS pixels."""


@dataclass(frozen=True)
class Figure:
    """One figure, or the reason why there is none.

    Attributes:
        key: For its address on the page.
        title: What it shows.
        text: The same for those who do not see it.
        is_wide: Whether it takes a row of its own.
        drawing: Plotly's JSON, safe inside a script element; empty where there is none.
        reason: Why there is none.
        least: The width, in CSS pixels, below which it is not squeezed but scrolled.
    """

    key: str
    title: str
    text: str
    is_wide: bool = False
    drawing: str = ""
    reason: str = ""
    least: int = 0


def draw(study: Study, objectives: Sequence[Objective], reported: str | None) -> list[Figure]:
    """Returns all figures of a study; those that it has too few trials for have a reason instead of a drawing.

    Args:
        study: What is drawn.
        objectives: Its objectives.
        reported: The validation metric that trials report on the way.
    """
    fronts = _fronts(study, [each.name for each in objectives]) if len(objectives) > 1 else ()
    return [*fronts, *_by_objective(study, objectives), *_of_all(study, reported)]


def _by_objective(study: Study, objectives: Sequence[Objective]) -> Iterator[Figure]:
    complete = _complete(study.trials)
    for index, objective in enumerate(objectives):
        values = [trial.values[index] for trial in complete]
        best = min if objective.direction == "minimize" else max
        said = f"{len(values)} complete trials" + (
            f", best {significant(best(values), 4)}" if values else ""
        )
        target = partial(_value, index) if len(objectives) > 1 else None
        asked: dict[str, Any] = {"target_name": objective.name, "target": target}
        too_few = "" if values else "no trial is complete"
        yield _figure(
            f"history-{index}",
            f"History of {objective.name}",
            f"{objective.name} of each trial in order, and the best so far: {said}.",
            partial(drawing.history, study, asked),
            too_few,
        )
        yield _importances(study, complete, index, objective, asked)
        for name in study.space.distributions:
            yield _figure(
                f"slice-{index}-{name}",
                f"By {name}: {objective.name}",
                f"{objective.name} of {len(values)} complete trials against their {name}; later trials are stronger.",
                partial(drawing.by_setting, study, asked, name),
                too_few,
            )
        yield _figure(
            f"parallel-{index}",
            f"All settings together: the stronger a line, the better its {objective.name}",
            f"A line per complete trial through its {objective.name} and its settings: {said}.",
            partial(drawing.together, study, asked, objective.direction == "minimize"),
            _fewer(len(values), 2),
            is_wide=True,
            least=AXIS_WIDTH * (1 + len(study.space.distributions)),
        )


def _importances(
    study: Study,
    complete: Sequence[FrozenTrial],
    index: int,
    objective: Objective,
    asked: dict[str, Any],
) -> Figure:
    settings = list(study.space.distributions)
    differ = len({trial.values[index] for trial in complete}) > 1
    reason = _fewer(len(complete), 2) or (
        "" if differ else "all complete trials have the same value"
    )
    guess = "" if len(complete) >= FEW else f": a guess from {len(complete)} trials"
    target = (
        partial(_value, index) if objective.direction == "minimize" else partial(_negative, index)
    )
    asked = asked | {"target": target if asked["target"] else None}
    if len(settings) == 1:
        reason = f"{settings[0]} is the only setting that was searched"
    return _figure(
        f"importances-{index}",
        f"Which settings mattered for {objective.name}{guess}",
        f"The share of each setting in the differences of {objective.name} among {len(complete)} complete trials.",
        partial(drawing.shares, study, asked),
        reason,
    )


def _of_all(study: Study, reported: str | None) -> Iterator[Figure]:
    trials = study.trials
    reporting = [trial for trial in trials if trial.intermediate_values]
    yield _figure(
        "reports",
        "Values on the way",
        f"The validation {reported} of {len(reporting)} trials during their training, by step: pruned ones end early.",
        partial(drawing.reports, study, reported),
        "" if reporting else "no trial reported a value during its training",
        is_wide=True,
    )
    begun = [trial for trial in trials if trial.datetime_start]
    yield _figure(
        "timeline",
        "Timeline",
        f"When each of {len(begun)} trials began and ended, by the clock, coloured by how it ended.",
        partial(drawing.timeline, study),
        "" if begun else "no trial has begun",
        is_wide=True,
    )


def _fronts(study: Study, names: Sequence[str]) -> Iterator[Figure]:
    """Yields the front as each two of the objectives see it: a figure in space would need WebGL."""
    front = study.ranking()
    for pair in combinations(range(len(names)), 2):
        against = " against ".join(names[index] for index in pair)
        yield _figure(
            "-".join(("pareto", *map(str, pair))),
            f"Pareto front: {against}",
            f"{against} of each complete trial; {len(front)} of them are on the front of all {len(names)} objectives.",
            partial(drawing.front, study, names, pair),
            "" if front else "no trial is complete",
            is_wide=True,
        )


def _figure(
    key: str,
    title: str,
    text: str,
    paint: Callable[[], Drawing],
    reason: str = "",
    is_wide: bool = False,
    least: int = 0,
) -> Figure:
    if reason:
        return Figure(key, title, text, is_wide, reason=reason)
    try:
        found = paint()
    except Exception as error:  # a study that took days is not lost for a figure
        return Figure(
            key,
            title,
            text,
            is_wide,
            reason=f"it cannot be drawn ({' '.join(str(error).split())[:200]})",
        )
    if not found.data:
        return Figure(key, title, text, is_wide, reason="there is nothing to draw")
    return Figure(key, title, text, is_wide, drawing.as_json(found), least=least)


def _value(index: int, trial: FrozenTrial) -> float:
    return float(trial.values[index])


def _negative(index: int, trial: FrozenTrial) -> float:
    return -_value(index, trial)


def _complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def _fewer(number: int, needed: int) -> str:
    return (
        "" if number >= needed else f"it needs {needed} complete trials, and there {_are(number)}"
    )


def _are(number: int) -> str:
    return {0: "is none", 1: "is 1"}.get(number, f"are {number}")
