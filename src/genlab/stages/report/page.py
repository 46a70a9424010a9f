"""All of the report as one HTML text that needs nothing from outside."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genlab import pages
from genlab.pages import Picture
from genlab.stages.report import curves, drawing, latents, pictures, table, words
from genlab.stages.report.collect import Laboratory, Model, differing
from genlab.stages.report.drawing import Chart


@dataclass(frozen=True)
class Cell:
    """One model's picture in a row of pictures, or the reason why there is none."""

    name: str
    accent: str
    picture: Picture | None = None
    reason: str = ""
    alt: str = ""
    how: str = ""


@dataclass(frozen=True)
class Strip:
    """One kind of picture, for every model: what it is, and the pictures."""

    tag: str
    title: str
    text: str
    cells: list[Cell]


@dataclass(frozen=True)
class Chapter:
    """What the page draws of one model."""

    name: str
    kind: str
    accent: str
    how: str
    growth: list[tuple[str, list[Picture]]]
    scatter: Chart | None
    shares: Chart | None
    activations: list[Chart]
    kls: Chart | None
    curves: list[Chart] = field(default_factory=list)


def render(laboratory: Laboratory) -> str:
    """Returns the page. Names and texts are escaped; nothing is loaded from outside."""
    groups = table.groups(laboratory)
    return (
        pages.environment(Path(__file__).parent)
        .get_template("page.html.j2")
        .render(
            laboratory=laboratory,
            dataset=laboratory.dataset,
            shape=" × ".join(map(str, laboratory.dataset["image_shape"])),
            num_images=sum(laboratory.dataset["num_images"].values()),
            warning=words.warning(laboratory),
            statements=words.summary(laboratory),
            groups=groups,
            everything=table.everything(laboratory),
            unranked=[row for group in groups for row in group.rows if row.unranked],
            missing=_missing(laboratory, groups),
            originals=_originals(laboratory),
            strips=_strips(laboratory),
            chapters=[_chapter(laboratory, index, model) for index, model in enumerate(laboratory.models)],
            class_numbers=_class_numbers(laboratory),
            checks=sorted(laboratory.validation.get("checks", []), key=lambda check: bool(check.get("success"))),
            accuracy=_share(laboratory.features_metrics.get("test/accuracy")),
            protocols=_protocols(laboratory),
            commands=_commands(laboratory),
        )
    )


def _strips(laboratory: Laboratory) -> list[Strip]:
    strips = [_reconstructions(laboratory), _samples(laboratory, "prior"), _samples(laboratory, "fitted")]
    has_pairs = any("closest_pairs" in model.pictures for model in laboratory.models)
    return [*strips, _closest_pairs(laboratory)] if has_pairs else strips


def _originals(laboratory: Laboratory) -> Cell:
    found = [model.pictures["originals"] for model in laboratory.models if "originals" in model.pictures]
    if not found:
        return Cell("originals", drawing.GREY, reason="no model wrote them")
    picture = pictures.grid(found[0])
    return Cell(
        "test images", drawing.GREY, picture, alt=f"{picture.count} original test images of {_name(laboratory)}"
    )


def _reconstructions(laboratory: Laboratory) -> Strip:
    cells = []
    for index, model in enumerate(laboratory.models):
        alt = "{count} reconstructions by " + model.name + " of the original test images, in the same order"
        cells.append(_cell(index, model, "reconstructions", alt, table.MSE, table.made_by(model)))
    text = "A test image goes in, the model gives it back: this shows what the latent keeps, not what it can invent."
    return Strip("Reconstruction", "Reconstructions of the originals", text, cells)


def _samples(laboratory: Laboratory, source: str) -> Strip:
    tag, title, text = {
        "prior": (
            "Prior sample",
            "Samples from the prior",
            "No image goes in: latents are drawn from the prior, which the model was trained to expect, and decoded.",
        ),
        "fitted": (
            "Fitted-density sample",
            "Samples from the fitted density",
            "No image goes in: latents are drawn from a Gaussian mixture, fitted to the train latents, and decoded.",
        ),
    }[source]
    metric = {"prior": table.PRIOR, "fitted": table.FITTED}[source]
    cells = []
    for index, model in enumerate(laboratory.models):
        alt = "{count} " + title.lower() + " of " + model.name + ", made without any input image"
        cells.append(_cell(index, model, f"{source}_samples", alt, metric))
    return Strip(tag, title, text, cells)


def _closest_pairs(laboratory: Laboratory) -> Strip:
    text = (
        "The samples that come nearest to a train image, by features: each sample, and right of it that train image. "
        "Pairs that are alike to the pixel are copies; see the nearest train rank in the table."
    )
    alt = "{count} images in pairs: a sample of {model}, and the train image nearest to it"
    cells = [
        _cell(index, model, "closest_pairs", alt.replace("{model}", model.name), table.PRIOR)
        for index, model in enumerate(laboratory.models)
    ]
    return Strip("Closest pairs", "Samples nearest to a train image", text, cells)


def _cell(index: int, model: Model, key: str, alt: str, metric: str, how: str = "") -> Cell:
    accent = drawing.accent(index)
    if key not in model.pictures:
        return Cell(model.name, accent, reason=model.reason(metric))
    picture = pictures.grid(model.pictures[key])
    return Cell(model.name, accent, picture, alt=alt.replace("{count}", str(picture.count)), how=how)


def _chapter(laboratory: Laboratory, index: int, model: Model) -> Chapter:
    accent, names = drawing.accent(index), laboratory.dataset["class_names"]
    budget = pictures.PROGRESS_BYTES / max(1, sum(len(model.progress) for model in laboratory.models))
    return Chapter(
        name=model.name,
        kind=model.kind,
        accent=accent,
        how=table.made_by(model),
        growth=[(kind, pictures.progress(grids, budget)) for kind, grids in model.progress.items()],
        scatter=latents.latents(model, names) if model.encodes else None,
        shares=latents.class_shares(model, names, accent) if model.class_histogram else None,
        activations=latents.activations(model, accent) if model.histograms else [],
        kls=latents.kl_per_dimension(model, accent) if model.kl_per_dimension else None,
        curves=curves.curves(model, accent),
    )


def _missing(laboratory: Laboratory, groups: list[table.Group]) -> dict[str, list[str]]:
    """Returns per reason the values that are missing for it: `"gan, PSNR"`."""
    missing: dict[str, list[str]] = {}
    for row in (row for group in groups for row in group.rows):
        for model, cell in zip(laboratory.models, row.cells, strict=True):
            if cell.reason:
                missing.setdefault(cell.reason, []).append(f"{model.name}, {row.label}")
    return missing


def _name(laboratory: Laboratory) -> str:
    return str(laboratory.dataset["name"])


def _share(value: Any) -> str:
    return "" if value is None else f"{value:.2%}"


def _class_numbers(laboratory: Laboratory) -> list[str]:
    """Returns `"0 is お"` for the classes whose names the figures' font cannot draw."""
    names = [str(name) for name in laboratory.dataset["class_names"]]
    labels = drawing.class_labels(names, len(names))
    return [f"{label} is {name}" for label, name in zip(labels, names, strict=True) if label != name]


def _protocols(laboratory: Laboratory) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns per metric how it was measured; where models differ, each model's value."""
    metrics = sorted({metric for model in laboratory.models for metric in model.scores["metrics"]})
    return [(metric, _protocol(laboratory, metric)) for metric in metrics]


def _protocol(laboratory: Laboratory, metric: str) -> list[tuple[str, str]]:
    measured = [model for model in laboratory.models if metric in model.scores["metrics"]]
    protocols = {model.name: model.about(metric, "protocol") or {} for model in measured}
    different = differing(protocols)
    lines = []
    for key in sorted({key for protocol in protocols.values() for key in protocol}):
        one = next(protocol[key] for protocol in protocols.values() if key in protocol)
        each = "; ".join(f"{name}: {value}" for name, value in different.get(key, {}).items())
        lines.append((key, each or str(one)))
    return lines


def _commands(laboratory: Laboratory) -> list[str]:
    params = laboratory.params
    changes = {"data.name": params.data.name, "profile": params.profile, "seed": params.seed}
    settings = " ".join(f"-S {shlex.quote(f'{key}={value}')}" for key, value in changes.items())
    commands = [f"dvc exp run {settings}"]
    for model in laboratory.models:
        name, source = shlex.quote(model.name), "prior" if "prior_samples" in model.pictures else "fitted"
        commands.append(
            f"genlab generate {name} --num-images 64 --seed {params.seed} --source {source} --out {name}-samples.npz"
        )
        if model.encodes:
            commands.append(f"genlab reconstruct {name} --split test --out {name}-reconstructions.npz")
    return commands
