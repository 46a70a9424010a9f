"""Figures of latents and classes: scatters, shares of classes, histograms, KL of each dimension."""

import itertools
from typing import Any

import numpy as np

from genlab.report.figures import Figure, axis, class_colour, short
from genlab.report.laboratory import Arrays, ReportedModel
from genlab.report.table import name_of_samples

NUM_POINTS = 2000
"""Of a scatter, at most."""
TALL, LOW = 420, 170
"""Heights of figures in CSS pixels."""
BAR_HEIGHT = 28
PATTERNS = ("", "/", "x", ".")
"""Of the bars of each source of samples."""
POSTERIORS = {"mean": "Mean of the posterior", "log_variance": "Log-variance of the posterior"}
NUMBERS = {2: "two", 3: "three"}


def plane(model: ReportedModel, names: list[str]) -> list[Figure]:
    """Returns the latents of test images in a plane, if there are any, coloured by class."""
    if not model.encodes:
        return []
    kind = {"type": "scatter", "hoverinfo": "name", "marker": {"size": 5, "opacity": 0.6}}
    traces, titles, how = _scatter(model, names, 2, kind)
    layout: dict[str, Any] = {"hovermode": "closest", "showlegend": False}
    for letter, title in zip("xy", titles, strict=True):
        values = np.concatenate([trace[letter] for trace in traces])
        layout[f"{letter}axis"] = axis(title, range=_limits(values))
    text = f"Scatter of the latents of test images of {model.name}, by class. {how}."
    centres = {
        "type": "scatter",
        "mode": "text",
        "x": [np.median(trace["x"]) for trace in traces],
        "y": [np.median(trace["y"]) for trace in traces],
        "text": [trace["name"] for trace in traces],
        "textfont": {"size": 15, "weight": "bold"},
        "hoverinfo": "skip",
    }
    return [Figure(how, text, [*traces, centres], layout, height=TALL)]


def space(model: ReportedModel, names: list[str]) -> Figure:
    """Returns the latents of test images in three dimensions, coloured by class."""
    marker = {"size": 3, "opacity": 0.8, "line": {"width": 0}}
    kind = {"type": "scatter3d", "hoverinfo": "none", "marker": marker}
    traces, titles, how = _scatter(model, names, 3, kind)
    axes = {
        f"{letter}axis": axis(title, showticklabels=bool(title))
        for letter, title in zip("xyz", titles, strict=True)
    }
    layout = {
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "scene": axes | {"aspectmode": "cube", "camera": {"eye": {"x": 1.1, "y": 1.4, "z": 1}}},
        "legend": {"orientation": "h", "y": 0, "yanchor": "top", "itemsizing": "constant"},
        "dragmode": "turntable",
    }
    number = len(model.arrays["latents"]["labels"])
    note = f"{min(number, NUM_POINTS):,} of {number:,} test images. {how}."
    text = f"The latents of test images of {model.name} in three dimensions, by class. {note}"
    return Figure("Latent space", text, traces, layout, note)


def project(latents: np.ndarray, count: int) -> tuple[np.ndarray, list[str], str]:
    """Returns latents (n, latent_dim) as points (n, count), the names of the axes, and how."""
    size = latents.shape[1]
    if size <= count:
        padding = np.zeros((len(latents), count - size))
        names = [f"dimension {index}" for index in range(size)] + [""] * (count - size)
        return np.column_stack([latents, padding]), names, "The latent dimensions as they are"
    points, share = _principal(latents, count)
    of = f"of {size} latent dimensions, {share:.0%} of their variance"
    names = [f"component {index + 1}" for index in range(count)]
    return points, names, f"First {NUMBERS[count]} principal components {of}"


def class_shares(model: ReportedModel, names: list[str], accent: str) -> list[Figure]:
    """Returns the shares of the classes among samples, if known, beside those in the data."""
    counts = dict(model.arrays.get("class_histogram", {}))
    if not counts:
        return []
    real = counts.pop("real")
    data = [_bars("data (test)", real, {"color": "light-dark(#c6c5be, #55554f)"})]
    for (source, count), shape in zip(counts.items(), itertools.cycle(PATTERNS)):
        style = {"color": accent, "pattern": {"shape": shape, "fillmode": "replace", "size": 6}}
        data.append(_bars(name_of_samples(source), count, style))
    places = list(range(len(real)))
    labels = [_class_name(place, names) for place in places]
    layout = {
        "xaxis": axis(tickformat=".0%", nticks=6),
        "yaxis": axis(autorange="reversed", showgrid=False, tickvals=places, ticktext=labels),
        "bargap": 0.2,
        "hovermode": "y unified",
    }
    shares = [f"{trace['name']} {min(trace['x']):.0%} to {max(trace['x']):.0%}" for trace in data]
    text = f"Shares of the classes among samples of {model.name} and in the data: "
    text += f"{'; '.join(shares)} per class."
    height = max(TALL, BAR_HEIGHT * len(real))
    return [Figure("Classes of samples and of the data", text, data, layout, height=height)]


def dimensions(model: ReportedModel, accent: str) -> list[Figure]:
    """Returns what is known of the posterior: histograms over the training, KL of dimensions."""
    histograms = model.arrays.get("histograms", {})
    kinds = [kind for kind in POSTERIORS if kind in histograms and len(histograms["step"])]
    figures = [_posterior(model.name, kind, histograms, accent) for kind in kinds]
    has_kl = "kl_per_dimension" in model.arrays
    return figures + ([_kl_per_dimension(model, accent)] if has_kl else [])


def _kl_per_dimension(model: ReportedModel, accent: str) -> Figure:
    kls = np.sort(model.arrays["kl_per_dimension"]["kl"])[::-1]
    bars: dict[str, Any] = {"type": "bar", "x": list(range(1, len(kls) + 1)), "y": short(kls)}
    bars |= {"marker": {"color": accent}, "hovertemplate": "%{y:.3g} nats<extra></extra>"}
    dimensions = axis("latent dimension, by its KL", nticks=6, tickformat="d", showgrid=False)
    layout = {"xaxis": dimensions, "yaxis": axis("nats per image")}
    text = f"KL of each of the {len(kls)} latent dimensions of {model.name}, "
    text += f"from {kls[0]:.3g} to {kls[-1]:.3g} nats."
    return Figure("KL of each latent dimension", text, [bars], layout, "test images", LOW)


def _scatter(
    model: ReportedModel, names: list[str], count: int, kind: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str], str]:
    """Returns a trace per class (`customdata` are rows of test images), titles of axes, and how."""
    arrays = model.arrays["latents"]
    points, titles, how = project(arrays["latents"].astype(np.float64), count)
    points, labels = points[:NUM_POINTS], arrays["labels"][:NUM_POINTS]
    traces = []
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        trace = kind | {"mode": "markers", "customdata": rows.tolist()}
        trace |= {"name": _class_name(label, names)}
        trace |= {"marker": kind["marker"] | {"color": class_colour(label)}}
        columns = zip("xyz", points[rows].T, strict=False)
        traces.append(trace | {letter: short(column) for letter, column in columns})
    return traces, titles, how


def _principal(points: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Returns the first principal components (n, count), and their share of the variance."""
    centred = points - points.mean(axis=0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1, 1)
    share = (strengths[:count] ** 2).sum() / max((strengths**2).sum(), 1e-12)
    return centred @ (directions * signs[:, None])[:count].T, float(share)


def _limits(values: np.ndarray) -> list[float]:
    """Returns limits without the outermost half per cent on each side, which squeezes the rest."""
    low, high = np.percentile(values, [0.5, 99.5])
    room = 0.05 * (high - low) or 1.0
    return [float(low - room), float(high + room)]


def _class_name(label: int, names: list[str]) -> str:
    if label < 0:
        return "no class"
    return str(names[label]) if label < len(names) else str(label)


def _bars(name: str, counts: np.ndarray, marker: dict[str, Any]) -> dict[str, Any]:
    places, shares = list(range(len(counts))), short(counts / max(1, counts.sum()))
    bars = {"type": "bar", "orientation": "h", "name": name, "x": shares, "y": places}
    return bars | {"marker": marker, "hovertemplate": "%{x:.1%}"}


def _posterior(name: str, kind: str, histograms: Arrays, accent: str) -> Figure:
    steps, edges, counts = histograms["step"], histograms["edges"], histograms[kind]
    density = counts / np.maximum(counts.max(axis=1, keepdims=True), 1)
    used = np.flatnonzero(counts.sum(axis=0))
    low, high = (edges[used[0]], edges[used[-1] + 1]) if len(used) else (edges[0], edges[-1])
    heatmap = {
        "type": "heatmap",
        "z": [short(row) for row in density.T],
        "y": edges.tolist(),
        "colorscale": [[0, "var(--card)"], [1, accent]],
        "showscale": False,
        "hoverinfo": "skip",
    }
    ticks = np.unique(np.linspace(0, len(steps) - 1, min(4, len(steps))).round().astype(int))
    labels = [f"{steps[tick]:,}" for tick in ticks]
    xaxis = axis("step", showgrid=False, tickangle=0, tickvals=ticks.tolist(), ticktext=labels)
    layout = {"xaxis": xaxis, "yaxis": axis(range=[float(low), float(high)], showgrid=False)}
    text = f"{POSTERIORS[kind]} of {name}: histogram of its values at {len(steps)} steps, "
    text += f"values from {low:.3g} to {high:.3g}."
    return Figure(POSTERIORS[kind], text, [heatmap], layout, "per step", LOW)
