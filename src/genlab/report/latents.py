"""Figures of latents and classes: scatter, shares of the classes, activations, and the KL of each dimension."""

from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from genlab.report.collect import Model
from genlab.report.drawing import Chart, class_colour, class_labels, draw


def latents(model: Model, names: list[str]) -> Chart:
    """Returns the latents of test images by class: all three axes, two, or the first two principal components."""
    points, labels = model.latents["latents"].astype(np.float64), model.latents["labels"]
    size = points.shape[1]
    shown, how = (points, "all axes") if size in (2, 3) else _in_plane(points)
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

    title = {2: "Both latent dimensions", 3: "All three latent dimensions, in projection"}.get(
        size, how
    )
    text = f"Scatter of the latents of {len(points):,} test images of {model.name}, coloured by class: {title}. "
    text += "The outermost half per cent on each side of each axis is left out."
    return Chart(**draw(paint, 4.0, 4.2), title=title, text=text)


def principal(points: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Returns the first principal components (n, count) of points (n, d), and their share of the variance."""
    centred = points - points.mean(axis=0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    directions *= np.where(
        directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)] < 0, -1, 1
    )[:, None]
    share = (strengths[:count] ** 2).sum() / max((strengths**2).sum(), 1e-12)
    return centred @ directions[:count].T, float(share)


def _in_plane(points: np.ndarray) -> tuple[np.ndarray, str]:
    shown, share = principal(points, 2)
    return (
        shown,
        f"First two principal components of {points.shape[1]} latent dimensions, {share:.0%} of their variance",
    )


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
        colour = class_colour(label)
        axes.scatter(*of_class.T, s=5, color=colour, alpha=0.55, linewidths=0, rasterized=True)
    for label in (label for label in classes if label >= 0):
        centre = np.median(points[labels == label], axis=0)
        axes.text(*centre, texts[label], fontsize=11, fontweight="bold", ha="center", va="center", path_effects=halo,
                  color=class_colour(label), zorder=1000)  # fmt: skip


def class_shares(model: Model, names: list[str], colour: str) -> Chart:
    """Returns the shares of the classes among samples beside those in the data."""
    looks: dict[str, tuple[str, dict[str, Any]]] = {
        "real": ("data (test)", {"color": "#c6c5be"}),
        "prior": ("prior", {"color": colour}),
        "fitted": (
            "fitted density",
            {"color": "white", "edgecolor": colour, "hatch": "/////", "linewidth": 0.9},
        ),
    }
    counts = {
        source: model.class_histogram[source] for source in looks if source in model.class_histogram
    }
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
        figure.legend(
            loc="outside lower center", ncols=len(shares), fontsize=7.5, columnspacing=1.0
        )

    parts = [
        f"{looks[source][0]} {share.min():.0%} to {share.max():.0%}"
        for source, share in shares.items()
    ]
    text = f"Shares of the classes among samples of {model.name} and in the data: {'; '.join(parts)} per class."
    return Chart(**draw(paint, 3.3, 4.2), title="Classes of samples and of the data", text=text)


def activations(model: Model, colour: str) -> list[Chart]:
    """Returns the histograms of mean and log-variance over the training."""
    steps, edges = model.histograms["step"], model.histograms["edges"]
    return [
        _activation(key, steps, edges, model.histograms[key], model.name, colour)
        for key in ("mean", "log_variance")
        if key in model.histograms and len(steps)
    ]


def _activation(
    key: str, steps: np.ndarray, edges: np.ndarray, counts: np.ndarray, name: str, colour: str
) -> Chart:
    density = counts / np.maximum(counts.max(axis=1, keepdims=True), 1)
    used = np.flatnonzero(counts.sum(axis=0))
    low, high = (edges[used[0]], edges[used[-1] + 1]) if len(used) else (edges[0], edges[-1])

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = LinearSegmentedColormap.from_list("accent", ["#ffffff", colour])
        axes.pcolormesh(
            np.arange(len(steps) + 1) - 0.5, edges, density.T, cmap=colours, rasterized=True
        )
        shown = np.unique(np.linspace(0, len(steps) - 1, min(6, len(steps))).round().astype(int))
        axes.set_xticks(shown, [f"{steps[place]:,}" for place in shown])
        axes.set_ylim(low, high)
        axes.set_xlabel("step")
        axes.grid(visible=False)

    title = {"mean": "Mean of the posterior", "log_variance": "Log-variance of the posterior"}[key]
    text = f"{title} of {name}: histogram of its values at {len(steps)} steps, values from {low:.3g} to {high:.3g}."
    return Chart(**draw(paint, 3.3, 1.82), title=title, text=text, note="per step")


def kl_per_dimension(model: Model, colour: str) -> Chart:
    """Returns the KL of each latent dimension on test images, the largest first."""
    kls = np.sort(model.kl_per_dimension["kl"])[::-1]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.bar(np.arange(1, len(kls) + 1), kls, 0.8, color=colour)
        axes.set(xlabel="latent dimension, by its KL", ylabel="nats per image")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
        axes.grid(visible=False, axis="x")
        axes.margins(x=0.02)

    text = f"KL of each of the {len(kls)} latent dimensions of {model.name}, from {kls[0]:.3g} to {kls[-1]:.3g} nats."
    return Chart(
        **draw(paint, 3.3, 1.82), title="KL of each latent dimension", text=text, note="test images"
    )
