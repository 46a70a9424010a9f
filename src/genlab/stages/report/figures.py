"""Figures with matplotlib's object interface: curves, latents, classes and activations, as PNG data URIs.

Every figure is small and holds one thing; the page lays them out and says in words what they show. They are drawn on
white; in a dark colour scheme the page inverts their lightness.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patheffects import withStroke

from genlab.stages.report.collect import Model, Series
from genlab.stages.report.pictures import data_uri

ACCENTS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#aa4499",
    "#b8860b",
    "#4f5d75",
    "#56b4e9",
    "#882255",
)  # after Okabe and Ito
CLASSES = ("#332288", "#117733", "#88ccee", "#882255", "#ddaa33", "#44aa99", "#cc6677", "#999933", "#aa4499", "#777777")
GREY, INK = "#9a9a96", "#33332f"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": "#c9c8c2",
    "axes.labelcolor": "#5a5a55",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": "#ecebe6",
    "grid.linewidth": 0.8,
    "xtick.color": "#c9c8c2",
    "ytick.color": "#c9c8c2",
    "xtick.labelcolor": "#5a5a55",
    "ytick.labelcolor": "#5a5a55",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.borderaxespad": 0.2,
}
LOG_DECADES = 2.0


@dataclass(frozen=True)
class Chart:
    """A drawn figure.

    Attributes:
        source: The data URI of a PNG at twice the size that it is shown at.
        title: What it shows.
        text: The same for those who do not see it.
        width: Width in CSS pixels.
        height: Height in CSS pixels.
        note: What one must know to read it, or nothing.
    """

    source: str
    title: str
    text: str
    width: int
    height: int
    note: str = ""


def accent(index: int) -> str:
    """Returns the colour of the model at this place of the page."""
    return ACCENTS[index % len(ACCENTS)]


def _draw(paint: Callable[[Figure], None], width: float, height: float) -> dict[str, Any]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=200, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return {"source": data_uri(buffer.getvalue()), "width": round(width * 100), "height": round(height * 100)}


def class_labels(names: list[str], count: int) -> list[str]:
    """Returns a label per class that the figures' font can draw: the name, or the number where it cannot."""
    glyphs = get_font(findfont("DejaVu Sans"))
    labels = []
    for index in range(count):
        name = str(names[index]) if index < len(names) else str(index)
        labels.append(name if all(glyphs.get_char_index(ord(sign)) for sign in name) else str(index))
    return labels


def curves(model: Model, colour: str) -> list[Chart]:
    """Returns one panel per quantity of the history: train and validation of the same quantity together."""
    panels: dict[str, dict[str, Series]] = {}
    for column, series in model.history.items():
        split, _, quantity = column.partition("/")
        if not quantity:
            split, quantity = "train", column
        panels.setdefault(re.sub(r"[/_]\d+$", "", quantity), {})[f"{split}/{quantity}"] = series
    return [_curve(quantity, columns, model.name, colour) for quantity, columns in panels.items()]


def _curve(quantity: str, columns: dict[str, Series], name: str, colour: str) -> Chart:
    title = _readable(quantity)
    many = len(columns) > 2
    note, scale, limits = _scale(list(columns.values()))
    note = ", ".join(part for part in (f"{len(columns)} lines" if many else "", note) if part)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        seen: set[str] = set()
        for column, (steps, values) in columns.items():
            split = column.partition("/")[0]
            label = split if split not in seen else None
            seen.add(split)
            look: dict[str, Any] = {"color": colour, "linewidth": 0.9 if many else 1.3, "alpha": 0.6}
            if split != "train" and not many:
                look = {"color": INK, "linewidth": 1.4, "linestyle": (0, (4, 1.5))}
            axes.plot(steps, values, label=label, marker="o" if len(steps) < 3 else None, markersize=3, **look)
        axes.set_yscale(scale)
        if scale == "log":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(ticker.NullFormatter())
        if limits:
            axes.set_ylim(*limits)
        _finish_curve(axes)

    summary = ", ".join(_from_to(column, series) for column, series in list(columns.items())[:4])
    text = f"Curves of {name}, {title}: {summary}."
    return Chart(**_draw(paint, 3.4, 2.1), title=title, text=text, note=note)


def _readable(quantity: str) -> str:
    words = quantity.replace("/", ", ").split("_")
    return " ".join(word.upper() if word in ("kl", "elbo", "mse", "psnr") else word for word in words)


def _finish_curve(axes: Axes) -> None:
    axes.set_xlabel("step")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="best", fontsize=8)


def _from_to(column: str, series: Series) -> str:
    (steps, values), split = series, column.partition("/")[0]
    return f"{split} from {values[0]:.4g} at step {steps[0]:,} to {values[-1]:.4g} at step {steps[-1]:,}"


def _scale(lines: list[Series]) -> tuple[str, str, tuple[float, float] | None]:
    """Returns note, scale and limits: logarithmic over wide ranges, else limits that the first steps cannot stretch."""
    every = np.concatenate([values for _, values in lines])
    if every.min() > 0 and np.log10(every.max() / every.min()) > LOG_DECADES:
        return "logarithmic", "log", None
    last = max(steps[-1] for steps, _ in lines)
    late = np.concatenate([values[steps >= 0.05 * last] for steps, values in lines])
    late = late if len(late) > 8 else every
    low, high = np.quantile(late, [0.005, 0.995])
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - room, high + room
    outside = int(((every < low) | (every > high)).sum())
    if not outside:
        return "", "linear", None
    return f"{outside} of {len(every):,} values lie off the scale", "linear", (float(low), float(high))


def latents(model: Model, names: list[str]) -> Chart:
    """Returns the latents of test images by class: all three axes, two, or the first two principal components."""
    points, labels = model.latents["latents"].astype(np.float64), model.latents["labels"]
    size = points.shape[1]
    shown, how = (points, "all axes") if size in (2, 3) else _principal(points)
    shown = np.column_stack([shown, np.zeros(len(shown))]) if shown.shape[1] == 1 else shown

    def paint(figure: Figure) -> None:
        solid = shown.shape[1] == 3
        axes: Any = figure.add_subplot(projection="3d") if solid else figure.add_subplot()
        _scatter(axes, *_without_stragglers(shown, labels), names)
        if solid:
            axes.view_init(elev=22, azim=-58)
            axes.set_box_aspect(None, zoom=1.06)
            for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
                axis.set_pane_color((1, 1, 1, 1))
                axis.set_ticklabels([])
        else:
            unit = "latent" if size == 2 else "component"
            axes.set(xlabel=f"{unit} 1", ylabel=f"{unit} 2")

    title = {2: "Both latent dimensions", 3: "All three latent dimensions, in projection"}.get(size, how)
    text = f"Scatter of the latents of {len(points):,} test images of {model.name}, coloured by class: {title}. "
    text += "The outermost half per cent on each side of each axis is left out."
    return Chart(**_draw(paint, 4.0, 4.2), title=title, text=text)


def _principal(points: np.ndarray) -> tuple[np.ndarray, str]:
    centred = points - points.mean(axis=0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    directions *= np.where(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)] < 0, -1, 1)[
        :, None
    ]
    share = (strengths[:2] ** 2).sum() / max((strengths**2).sum(), 1e-12)
    how = f"First two principal components of {points.shape[1]} latent dimensions, {share:.0%} of their variance"
    return centred @ directions[:2].T, how


def _without_stragglers(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the points whose every coordinate lies within the central 99 %: a few far ones would squeeze the rest."""
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    kept = ((points >= low) & (points <= high)).all(axis=1)
    return points[kept], labels[kept]


def _scatter(axes: Any, points: np.ndarray, labels: np.ndarray, names: list[str]) -> None:
    classes = [int(label) for label in np.unique(labels)]
    halo = [withStroke(linewidth=2.6, foreground="white")]
    texts = class_labels(names, max(classes, default=0) + 1)
    for label in classes:
        of_class = points[labels == label]
        colour = GREY if label < 0 else CLASSES[label % len(CLASSES)]
        axes.scatter(*of_class.T, s=5, color=colour, alpha=0.55, linewidths=0, rasterized=True)
    for label in (label for label in classes if label >= 0):
        centre = np.median(points[labels == label], axis=0)
        axes.text(*centre, texts[label], fontsize=11, fontweight="bold", ha="center", va="center", path_effects=halo,
                  color=CLASSES[label % len(CLASSES)], zorder=1000)  # fmt: skip


def class_shares(model: Model, names: list[str], colour: str) -> Chart:
    """Returns the shares of the classes among samples beside those in the data."""
    looks: dict[str, tuple[str, dict[str, Any]]] = {
        "real": ("data (test)", {"color": "#c6c5be"}),
        "prior": ("prior", {"color": colour}),
        "fitted": ("fitted density", {"color": "white", "edgecolor": colour, "hatch": "/////", "linewidth": 0.9}),
    }
    counts = {source: model.class_histogram[source] for source in looks if source in model.class_histogram}
    shares = {source: count / max(1, count.sum()) for source, count in counts.items()}
    num_classes = len(next(iter(shares.values())))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        width = 0.8 / len(shares)
        for place, (source, share) in enumerate(shares.items()):
            top = np.arange(num_classes) + (place - (len(shares) - 1) / 2) * width
            axes.barh(top, share, width, label=looks[source][0], **looks[source][1])
        axes.set_yticks(range(num_classes), class_labels(names, num_classes))
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
        axes.grid(visible=False, axis="y")
        axes.margins(y=0.02)
        figure.legend(loc="outside lower center", ncols=len(shares), fontsize=7.5, columnspacing=1.0)

    parts = [f"{looks[source][0]} {share.min():.0%} to {share.max():.0%}" for source, share in shares.items()]
    text = f"Shares of the classes among samples of {model.name} and in the data: {'; '.join(parts)} per class."
    return Chart(**_draw(paint, 3.3, 4.2), title="Classes of samples and of the data", text=text)


def activations(model: Model, colour: str) -> list[Chart]:
    """Returns the histograms of mean and log-variance over the training."""
    steps, edges = model.histograms["step"], model.histograms["edges"]
    return [
        _activation(key, steps, edges, model.histograms[key], model.name, colour)
        for key in ("mean", "log_variance")
        if key in model.histograms and len(steps)
    ]


def _activation(key: str, steps: np.ndarray, edges: np.ndarray, counts: np.ndarray, name: str, colour: str) -> Chart:
    density = counts / np.maximum(counts.max(axis=1, keepdims=True), 1)
    used = np.flatnonzero(counts.sum(axis=0))
    low, high = (edges[used[0]], edges[used[-1] + 1]) if len(used) else (edges[0], edges[-1])

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = LinearSegmentedColormap.from_list("accent", ["#ffffff", colour])
        axes.pcolormesh(np.arange(len(steps) + 1) - 0.5, edges, density.T, cmap=colours, rasterized=True)
        shown = np.unique(np.linspace(0, len(steps) - 1, min(6, len(steps))).round().astype(int))
        axes.set_xticks(shown, [f"{steps[place]:,}" for place in shown])
        axes.set_ylim(low, high)
        axes.set_xlabel("step")
        axes.grid(visible=False)

    title = {"mean": "Mean of the posterior", "log_variance": "Log-variance of the posterior"}[key]
    text = f"{title} of {name}: histogram of its values at {len(steps)} steps, values from {low:.3g} to {high:.3g}."
    return Chart(**_draw(paint, 3.3, 1.82), title=title, text=text, note="per step")
