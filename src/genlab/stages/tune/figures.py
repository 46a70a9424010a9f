"""The search in figures, by `optuna.visualization`; what cannot be drawn is left out with its reason.

Figures are drawn on white; in a dark colour scheme the page inverts their lightness.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from optuna import visualization
from optuna.trial import FrozenTrial, TrialState
from plotly.colors import sequential, unlabel_rgb
from plotly.graph_objects import Figure as Drawing
from plotly.offline import get_plotlyjs

from genlab.pages import significant
from genlab.stages.tune.objective import Objective
from genlab.stages.tune.study import Study

FONT = "ui-sans-serif, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
INK, GRID = "#45453f", "#e4e2dc"
ACCENTS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#4f5d75", "#56b4e9", "#882255")
STATES = ("COMPLETE", "FAIL", "RUNNING", "WAITING", "PRUNED")
DARKER = 0.8
"""What Optuna's blues are multiplied by: the lightest of them cannot be told from paper."""
HEIGHT = 340
MOST_NAMED = 8
"""Lines that a legend still names."""
LOG_RATIO = 20
"""How far the values of an axis must lie apart to be drawn on a logarithmic one."""


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
    """

    key: str
    title: str
    text: str
    is_wide: bool = False
    drawing: str = ""
    reason: str = ""


def library() -> str:
    """Returns plotly.js."""
    return str(get_plotlyjs())


def draw(study: Study, objectives: Sequence[Objective]) -> list[Figure]:
    """Returns all figures of a study; those that it has too few trials for have a reason instead of a drawing."""
    return [*_by_objective(study, objectives), *_of_all(study, objectives)]


def _by_objective(study: Study, objectives: Sequence[Objective]) -> Iterator[Figure]:
    complete = _complete(study.trials)
    for index, objective in enumerate(objectives):
        values = [trial.values[index] for trial in complete]
        best = min if objective.direction == "minimize" else max
        said = f"{len(values)} complete trials" + (f", best {significant(best(values), 4)}" if values else "")
        target = partial(_value, index) if len(objectives) > 1 else None
        asked: dict[str, Any] = {"target_name": objective.name, "target": target}
        too_few = "" if values else "no trial is complete"
        yield _figure(
            f"history-{index}",
            f"History of {objective.name}",
            f"{objective.name} of each trial in order, and the best so far: {said}.",
            partial(_history, study, asked),
            too_few,
        )
        yield _importances(study, complete, index, objective, asked)
        for name in study.space.distributions:
            yield _figure(
                f"slice-{index}-{name}",
                f"By {name}: {objective.name}",
                f"{objective.name} of {len(values)} complete trials against their {name}; later trials are darker.",
                partial(_slice, study, asked, name),
                too_few,
            )
        yield _figure(
            f"parallel-{index}",
            f"All settings together, coloured by {objective.name}",
            f"A line per complete trial through its settings and its {objective.name}: {said}.",
            partial(_parallel, study, asked),
            _fewer(len(values), 2),
            is_wide=True,
        )


def _importances(
    study: Study, complete: Sequence[FrozenTrial], index: int, objective: Objective, asked: dict[str, Any]
) -> Figure:
    settings = list(study.space.distributions)
    differ = len({trial.values[index] for trial in complete}) > 1
    reason = _fewer(len(complete), 2) or ("" if differ else "all complete trials have the same value")
    if len(settings) == 1:
        reason = f"{settings[0]} is the only setting that was searched"
    return _figure(
        f"importances-{index}",
        f"Which settings mattered for {objective.name}",
        f"The share of each setting in the differences of {objective.name} among {len(complete)} complete trials.",
        partial(_shares, study, asked),
        reason,
    )


def _of_all(study: Study, objectives: Sequence[Objective]) -> Iterator[Figure]:
    trials = study.trials
    names = [each.name for each in objectives]
    reporting = [trial for trial in trials if trial.intermediate_values]
    if len(objectives) > 1:
        yield from _fronts(study, names)
    yield _figure(
        "reports",
        "Values on the way",
        f"What {len(reporting)} trials reported during their training, by step: pruned ones end early.",
        partial(_reports, study),
        "" if reporting else "no trial reported a value during its training",
        is_wide=True,
    )
    begun = [trial for trial in trials if trial.datetime_start]
    yield _figure(
        "timeline",
        "Timeline",
        f"When each of {len(begun)} trials began and ended, by the clock, coloured by how it ended.",
        partial(_timeline, study),
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
            partial(_front, study, names, pair),
            "" if front else "no trial is complete",
            is_wide=True,
        )


def _front(study: Study, names: Sequence[str], pair: Sequence[int]) -> Drawing:
    drawing = visualization.plot_pareto_front(
        study.optuna,
        target_names=[names[index] for index in pair],
        targets=lambda trial: [trial.values[index] for index in pair],
    )
    return drawing.update_traces(marker={"size": 8})


def _figure(
    key: str, title: str, text: str, paint: Callable[[], Drawing], reason: str = "", is_wide: bool = False
) -> Figure:
    if reason:
        return Figure(key, title, text, is_wide, reason=reason)
    try:
        drawing = paint()
    except Exception as error:  # a study that took days is not lost for a figure
        return Figure(key, title, text, is_wide, reason=f"it cannot be drawn ({' '.join(str(error).split())[:200]})")
    if not drawing.data:
        return Figure(key, title, text, is_wide, reason="there is nothing to draw")
    return Figure(key, title, text, is_wide, _safe(_dress(drawing)))


def _dress(drawing: Drawing) -> Drawing:
    """Takes away what the page says itself, and gives all figures one look; widths follow the page."""
    names = [trace.name for trace in drawing.data if trace.name]
    drawing.update_layout(
        template="plotly_white",
        title=None,
        width=None,
        height=HEIGHT,
        autosize=True,
        font={"family": FONT, "size": 12, "color": INK},
        margin={"l": 8, "r": 8, "t": 14, "b": 8},
        colorway=ACCENTS,
        dragmode=False,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left", "title": None},
        showlegend=1 < len(names) <= MOST_NAMED,
        paper_bgcolor="white",
        plot_bgcolor="white",
    )
    axes = {"automargin": True, "gridcolor": GRID, "linecolor": GRID, "zeroline": False}
    return drawing.update_xaxes(**axes).update_yaxes(**axes)


def _history(study: Study, asked: dict[str, Any]) -> Drawing:
    drawing = visualization.plot_optimization_history(study.optuna, **asked)
    return _with_log(drawing.for_each_trace(lambda trace: trace.update(line_shape="hv")))


def _shares(study: Study, asked: dict[str, Any]) -> Drawing:
    drawing = visualization.plot_param_importances(study.optuna, **asked)
    return drawing.update_traces(textposition="auto", marker_color=ACCENTS[0])


def _slice(study: Study, asked: dict[str, Any], name: str) -> Drawing:
    drawing = visualization.plot_slice(study.optuna, params=[name], **asked)
    bar = {"thickness": 10, "nticks": 4, "outlinewidth": 0}
    drawing.update_traces(marker={"colorscale": _scale(), "size": 8, "colorbar": bar})
    each = study.space.distributions[name]
    if getattr(each, "log", False) and getattr(each, "high") >= 10 * getattr(each, "low"):  # noqa: B009 - a range
        drawing.update_xaxes(dtick=1)
    return _with_log(drawing)


def _parallel(study: Study, asked: dict[str, Any]) -> Drawing:
    drawing = visualization.plot_parallel_coordinate(study.optuna, **asked)
    for trace in drawing.data:
        if trace.mode == "lines":
            trace.update(opacity=0.9, line={"color": _darker(trace.line.color), "width": 1.6})
        else:
            trace.update(marker={"colorscale": _scale(), "colorbar": {"thickness": 10, "outlinewidth": 0}})
    return drawing


def _timeline(study: Study) -> Drawing:
    drawing = visualization.plot_timeline(study.optuna)
    return drawing.for_each_trace(lambda trace: trace.update(marker_color=ACCENTS[STATES.index(trace.name)]))


def _scale() -> list[str]:
    return [_darker(each) for each in sequential.Blues]


def _darker(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(round(DARKER * part) for part in unlabel_rgb(colour)))


def _reports(study: Study) -> Drawing:
    return _with_log(visualization.plot_intermediate_values(study.optuna))


def _with_log(drawing: Drawing) -> Drawing:
    """Gives a figure a logarithmic height where its values are positive and far apart."""
    values = [value for trace in drawing.data for value in (() if trace.y is None else trace.y) if value is not None]
    if values and min(values) > 0 and max(values) > LOG_RATIO * min(values):
        drawing.update_yaxes(type="log")
    return drawing


def _safe(drawing: Drawing) -> str:
    """Returns the figure as JSON in which no text can end the script element that holds it."""
    return str(drawing.to_json()).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _value(index: int, trial: FrozenTrial) -> float:
    return float(trial.values[index])


def _complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def _fewer(number: int, needed: int) -> str:
    return "" if number >= needed else f"it needs {needed} complete trials, and there {_are(number)}"


def _are(number: int) -> str:
    return {0: "is none", 1: "is 1"}.get(number, f"are {number}")
