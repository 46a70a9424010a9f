"""The figures of a study: Optuna's own, in the page's colours, or the reason why there is none.

They are drawn on white; in a dark colour scheme the page inverts their lightness.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

from optuna import visualization
from optuna.trial import FrozenTrial, TrialState
from plotly.colors import sample_colorscale, sequential, unlabel_rgb
from plotly.graph_objects import Figure as Drawing

from genlab.pages import plotly, significant
from genlab.tune.objective import Objective
from genlab.tune.study import Study

FEW = 20
"""With fewer trials the shares of settings are guesses."""
AXIS_WIDTH = 85
"""The least width of one of many parallel axes, in CSS pixels."""
FONT = (
    "ui-sans-serif, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
)
INK, GREY, GRID = "#45453f", "#9a9a96", "#e4e2dc"
ACCENTS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#4f5d75", "#56b4e9", "#882255")
STATES = dict(zip(("COMPLETE", "FAIL", "RUNNING", "PRUNED"), ACCENTS, strict=False))
STATES["WAITING"] = GREY
DARKER = 0.8
"""A factor for Optuna's blues: the lightest of them cannot be told from paper."""
HEIGHT = 340
MOST_NAMED = 8
"""The most lines that a legend names."""
LOG_RATIO = 20
"""How far apart values must lie for a logarithmic axis."""
LOOK: dict[str, Any] = {
    "template": "plotly_white",
    "title": None,
    "width": None,
    "height": HEIGHT,
    "autosize": True,
    "font": {"family": FONT, "size": 12, "color": INK},
    "margin": {"l": 12, "r": 12, "t": 14, "b": 8},
    "colorway": ACCENTS,
    "dragmode": False,
    "legend": {"orientation": "h", "x": 0, "xanchor": "left", "title": None}
    | {"y": 1.02, "yanchor": "bottom"},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
}
AXES: dict[str, Any] = {"automargin": True, "zeroline": False, "exponentformat": "none"}
AXES |= {"gridcolor": GRID, "linecolor": GRID}


@dataclass(frozen=True)
class StudyFigure:
    """One figure: a drawing, which is Plotly's JSON, or the reason why there is none.

    `text` is for those who do not see it. A window narrower than `least`, in CSS pixels, scrolls.
    """

    key: str
    title: str
    text: str
    reason: str
    paint: Callable[[], Drawing]
    is_wide: bool = False
    least: int = 0
    drawing: str = ""


def draw(study: Study, objectives: Sequence[Objective], reported: str | None) -> list[StudyFigure]:
    """Returns all figures of a study, whose trials report the validation metric `reported`."""
    is_only = len(objectives) == 1
    figures = [] if is_only else [*_fronts(study, [goal.name for goal in objectives])]
    for index, goal in enumerate(objectives):
        figures += _of_objective(study, goal, index, is_only)
    return [_drawn(figure) for figure in (*figures, *_of_all(study, reported))]


def _drawn(figure: StudyFigure) -> StudyFigure:
    """Returns the figure with its drawing; a study of days is not lost if one cannot be drawn."""
    if figure.reason:
        return figure
    try:
        drawing = figure.paint()
    except Exception as error:
        return replace(figure, reason=f"it cannot be drawn ({' '.join(str(error).split())[:200]})")
    if not drawing.data:
        return replace(figure, reason="there is nothing to draw")
    return replace(figure, drawing=_as_json(drawing))


def _as_json(drawing: Drawing) -> str:
    """Returns a drawing in the page's look, without what the page itself says; safe in a script."""
    num_named = len([trace for trace in drawing.data if trace.name])
    drawing.update_layout(LOOK, showlegend=1 < num_named <= MOST_NAMED)
    return plotly.in_script(str(drawing.update_xaxes(AXES).update_yaxes(AXES).to_json()))


def _of_objective(
    study: Study, goal: Objective, index: int, is_only: bool
) -> Iterator[StudyFigure]:
    values = [trial.values[index] for trial in study.trials if trial.state == TrialState.COMPLETE]
    best = min if goal.sign == 1 else max
    summary = f"{len(values)} complete trials"
    summary += f", best {significant(best(values), 4)}" if values else ""
    nothing = "" if values else "no trial is complete"
    too_few = f"it needs 2 complete trials, and there is {len(values) or 'none'}"
    too_few = too_few if len(values) < 2 else ""

    def value(trial: FrozenTrial) -> float:
        return float(trial.values[index])

    def low(trial: FrozenTrial) -> float:
        return goal.sign * value(trial)

    asked: dict[str, Any] = {"target_name": goal.name, "target": None if is_only else value}
    yield StudyFigure(
        f"history-{index}",
        f"History of {goal.name}",
        f"{goal.name} of each trial in order, and the best so far: {summary}.",
        nothing,
        paint=lambda: _history(study, asked),
    )
    names = list(study.space.distributions)
    same = "" if len(set(values)) > 1 else "all complete trials have the same value"
    alone = f"{names[0]} is the only setting that was searched" if len(names) == 1 else ""
    yield StudyFigure(
        f"importances-{index}",
        f"Which settings mattered for {goal.name}"
        + ("" if len(values) >= FEW else f": a guess from {len(values)} trials"),
        f"The share of each setting in the differences of {goal.name} among {len(values)} "
        "complete trials.",
        alone or too_few or same,
        paint=lambda: _importances(study, asked | {"target": None if is_only else low}),
    )
    for name in names:
        yield StudyFigure(
            f"slice-{index}-{name}",
            f"By {name}: {goal.name}",
            f"{goal.name} of {len(values)} complete trials against their {name}; later trials "
            "are stronger.",
            nothing,
            paint=partial(_slice, study, asked, name),
        )
    yield StudyFigure(
        f"parallel-{index}",
        f"All settings together: the stronger a line, the better its {goal.name}",
        f"A line per complete trial through its {goal.name} and its settings: {summary}.",
        too_few,
        is_wide=True,
        least=AXIS_WIDTH * (1 + len(names)),
        paint=lambda: _parallel(study, asked, goal.sign == 1),
    )


def _of_all(study: Study, reported: str | None) -> Iterator[StudyFigure]:
    num_reporting = sum(bool(trial.intermediate_values) for trial in study.trials)
    num_begun = sum(trial.datetime_start is not None for trial in study.trials)
    yield StudyFigure(
        "reports",
        "Values during training",
        f"The validation {reported} of {num_reporting} trials during their training, by step: "
        "pruned ones end early.",
        "" if num_reporting else "no trial reported a value during its training",
        is_wide=True,
        paint=lambda: _reports(study, reported),
    )
    yield StudyFigure(
        "timeline",
        "Timeline",
        f"When each of {num_begun} trials began and ended, by the clock, coloured by how it ended.",
        "" if num_begun else "no trial has begun",
        is_wide=True,
        paint=lambda: _timeline(study),
    )


def _fronts(study: Study, names: Sequence[str]) -> Iterator[StudyFigure]:
    """Yields the front as each two of the objectives see it: a figure in space needs WebGL."""
    front = study.front()
    for pair in combinations(range(len(names)), 2):
        against = " against ".join(names[index] for index in pair)
        yield StudyFigure(
            "-".join(("pareto", *map(str, pair))),
            f"Pareto front: {against}",
            f"{against} of each complete trial; {len(front)} of them are on the front of all "
            f"{len(names)} objectives.",
            "" if front else "no trial is complete",
            is_wide=True,
            paint=partial(_front, study, names, pair),
        )


def _history(study: Study, asked: dict[str, Any]) -> Drawing:
    drawing = visualization.plot_optimization_history(study.optuna, **asked)
    return _with_log(drawing.for_each_trace(lambda trace: trace.update(line_shape="hv")))


def _importances(study: Study, asked: dict[str, Any]) -> Drawing:
    with warnings.catch_warnings(action="ignore"):  # that low is good: the target's sign says so
        drawing = visualization.plot_param_importances(study.optuna, **asked)
    drawing.update_layout(xaxis_title="share", yaxis_title=None)
    return drawing.update_traces(textposition="auto", textangle=0, marker_color=ACCENTS[0])


def _slice(study: Study, asked: dict[str, Any], name: str) -> Drawing:
    drawing = visualization.plot_slice(study.optuna, params=[name], **asked)
    bar = {"thickness": 10, "nticks": 4, "outlinewidth": 0}
    drawing.update_traces(marker={"colorscale": _scale(), "size": 8, "colorbar": bar})
    values = [trial.params[name] for trial in study.trials if trial.values and name in trial.params]
    if getattr(study.space.distributions[name], "log", False) and _has_decades(values):
        drawing.update_xaxes(dtick=1)
    return _with_log(drawing)


def _has_decades(values: Sequence[float]) -> bool:
    """Whether powers of ten alone can mark an axis, which reaches a little beyond its values."""
    return math.floor(math.log10(max(values)) + 0.1) > math.ceil(math.log10(min(values)) - 0.1)


def _parallel(study: Study, asked: dict[str, Any], is_low_good: bool) -> Drawing:
    """Colours lines by rank, the best on top: by value a few bad trials would take all colours."""
    drawing = visualization.plot_parallel_coordinate(study.optuna, **asked)
    lines = [trace for trace in drawing.data if trace.mode == "lines"]
    lines.sort(key=lambda trace: trace.y[0], reverse=is_low_good)
    places = [index / (len(lines) - 1) for index in range(len(lines))]
    for trace, colour in zip(lines, sample_colorscale(_scale(), places), strict=True):
        trace.update(opacity=0.9, line={"color": colour, "width": 1.6})
    named = {"bgcolor": "rgba(255, 255, 255, 0.85)"}
    drawing = Drawing(lines, drawing.layout).update_annotations(named)
    return drawing.update_xaxes(ticklabeloverflow="allow")


def _front(study: Study, names: Sequence[str], pair: Sequence[int]) -> Drawing:
    drawing = visualization.plot_pareto_front(
        study.optuna,
        target_names=[names[index] for index in pair],
        targets=lambda trial: [trial.values[index] for index in pair],
    )
    for trace in drawing.data:
        is_best = trace.marker.colorbar.title.text == "Best Trial"
        name = "on the front" if is_best else "off the front"
        trace.update(name=name, showlegend=True, marker=None)
        colour = ACCENTS[1] if is_best else GREY
        trace.update(marker={"size": 9 if is_best else 7, "color": colour})
    return drawing


def _reports(study: Study, reported: str | None) -> Drawing:
    drawing = visualization.plot_intermediate_values(study.optuna)
    return _with_log(drawing.update_yaxes(title=f"validation {reported}"))


def _timeline(study: Study) -> Drawing:
    drawing = visualization.plot_timeline(study.optuna)
    return drawing.for_each_trace(lambda trace: trace.update(marker_color=STATES[trace.name]))


def _with_log(drawing: Drawing) -> Drawing:
    """Makes the height logarithmic if values are positive and far apart."""
    heights = [trace.y for trace in drawing.data if trace.y is not None]
    values = [value for height in heights for value in height if value is not None]
    if values and min(values) > 0 and max(values) > LOG_RATIO * min(values):
        drawing.update_yaxes(type="log")
    return drawing


def _scale() -> list[str]:
    blues = [unlabel_rgb(colour) for colour in sequential.Blues]
    return ["rgb({}, {}, {})".format(*(round(DARKER * part) for part in blue)) for blue in blues]
