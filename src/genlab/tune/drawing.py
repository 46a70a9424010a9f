"""How the figures of a search look: Optuna's own, in the page's colours.

They are drawn on white; in a dark colour scheme the page inverts their lightness.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

from optuna import visualization
from plotly.colors import sample_colorscale, sequential, unlabel_rgb
from plotly.graph_objects import Figure as Drawing

from genlab.pages import plotly
from genlab.tune.study import Study

FONT = (
    "ui-sans-serif, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
)
INK, GREY, GRID = "#45453f", "#9a9a96", "#e4e2dc"
ACCENTS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#4f5d75", "#56b4e9", "#882255")
STATES = dict(zip(("COMPLETE", "FAIL", "RUNNING", "PRUNED"), ACCENTS, strict=False)) | {
    "WAITING": GREY
}
DARKER = 0.8
"""What Optuna's blues are multiplied by: the lightest of them cannot be told from paper."""
HEIGHT = 340
MOST_NAMED = 8
"""Lines that a legend still names."""
LOG_RATIO = 20
"""How far the values of an axis must lie apart to be drawn on a logarithmic one."""


def as_json(drawing: Drawing) -> str:
    """Returns a figure in the page's look as JSON in which no text can end the script element that holds it.

    What the page says itself is taken away; widths follow the page.
    """
    names = [trace.name for trace in drawing.data if trace.name]
    drawing.update_layout(
        template="plotly_white",
        title=None,
        width=None,
        height=HEIGHT,
        autosize=True,
        font={"family": FONT, "size": 12, "color": INK},
        margin={"l": 12, "r": 12, "t": 14, "b": 8},
        colorway=ACCENTS,
        dragmode=False,
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "title": None,
        },
        showlegend=1 < len(names) <= MOST_NAMED,
        paper_bgcolor="white",
        plot_bgcolor="white",
    )
    axes = {
        "automargin": True,
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "exponentformat": "none",
    }
    return plotly.in_script(str(drawing.update_xaxes(**axes).update_yaxes(**axes).to_json()))


def history(study: Study, asked: dict[str, Any]) -> Drawing:
    """Returns the objective of each trial, and the best so far."""
    drawing = visualization.plot_optimization_history(study.optuna, **asked)
    return _with_log(drawing.for_each_trace(lambda trace: trace.update(line_shape="hv")))


def shares(study: Study, asked: dict[str, Any]) -> Drawing:
    """Returns the share of each setting in the differences; `asked` has a target that is to be low, or none."""
    with warnings.catch_warnings(action="ignore"):  # that low is good, which the target sees to
        drawing = visualization.plot_param_importances(study.optuna, **asked)
    drawing.update_layout(xaxis_title="share", yaxis_title=None)
    return drawing.update_traces(textposition="auto", textangle=0, marker_color=ACCENTS[0])


def by_setting(study: Study, asked: dict[str, Any], name: str) -> Drawing:
    """Returns the objective against one setting."""
    drawing = visualization.plot_slice(study.optuna, params=[name], **asked)
    bar = {"thickness": 10, "nticks": 4, "outlinewidth": 0}
    drawing.update_traces(marker={"colorscale": _scale(), "size": 8, "colorbar": bar})
    places = [trial.params[name] for trial in study.trials if trial.values and name in trial.params]
    if getattr(study.space.distributions[name], "log", False) and _has_decades(places):
        drawing.update_xaxes(dtick=1)
    return _with_log(drawing)


def _has_decades(values: Sequence[float]) -> bool:
    """Returns whether powers of ten alone can mark an axis, which reaches a little beyond its values."""
    return math.floor(math.log10(max(values)) + 0.1) > math.ceil(math.log10(min(values)) - 0.1)


def together(study: Study, asked: dict[str, Any], is_low_good: bool) -> Drawing:
    """Returns all settings at once. Colours go by rank, the best on top: a few bad trials would take them all."""
    drawing = visualization.plot_parallel_coordinate(study.optuna, **asked)
    lines = [trace for trace in drawing.data if trace.mode == "lines"]
    lines.sort(key=lambda trace: trace.y[0], reverse=is_low_good)
    places = [index / (len(lines) - 1) for index in range(len(lines))]
    for trace, colour in zip(lines, sample_colorscale(_scale(), places), strict=True):
        trace.update(opacity=0.9, line={"color": colour, "width": 1.6})
    named = {"bgcolor": "rgba(255, 255, 255, 0.85)"}
    drawing = Drawing(lines, drawing.layout).update_annotations(named)
    return drawing.update_xaxes(ticklabeloverflow="allow")


def front(study: Study, names: Sequence[str], pair: Sequence[int]) -> Drawing:
    """Returns two of the objectives, and which trials are on the front of all."""
    drawing = visualization.plot_pareto_front(
        study.optuna,
        target_names=[names[index] for index in pair],
        targets=lambda trial: [trial.values[index] for index in pair],
    )
    for trace in drawing.data:
        is_best = trace.marker.colorbar.title.text == "Best Trial"
        colour = ACCENTS[1] if is_best else GREY
        name = "on the front" if is_best else "off the front"
        trace.update(name=name, showlegend=True, marker=None)
        trace.update(marker={"size": 9 if is_best else 7, "color": colour})
    return drawing


def reports(study: Study, reported: str | None) -> Drawing:
    """Returns the values on the way."""
    drawing = visualization.plot_intermediate_values(study.optuna)
    return _with_log(drawing.update_yaxes(title=f"validation {reported}"))


def timeline(study: Study) -> Drawing:
    """Returns when trials began and ended."""
    drawing = visualization.plot_timeline(study.optuna)
    return drawing.for_each_trace(lambda trace: trace.update(marker_color=STATES[trace.name]))


def _with_log(drawing: Drawing) -> Drawing:
    """Gives a figure a logarithmic height where its values are positive and far apart."""
    values = [
        value
        for trace in drawing.data
        for value in (() if trace.y is None else trace.y)
        if value is not None
    ]
    if values and min(values) > 0 and max(values) > LOG_RATIO * min(values):
        drawing.update_yaxes(type="log")
    return drawing


def _scale() -> list[str]:
    return [_darker(each) for each in sequential.Blues]


def _darker(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(round(DARKER * part) for part in unlabel_rgb(colour)))
