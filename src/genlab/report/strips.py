"""Rows of pictures, one cell per model: reconstructions, samples, and the samples nearest to a train image."""

from dataclasses import dataclass

from genlab.pages import Picture
from genlab.report import drawing, pictures, table
from genlab.report.collect import Laboratory, Model


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


def strips(laboratory: Laboratory) -> list[Strip]:
    """Returns the rows of pictures, reconstructions first."""
    found = [
        _reconstructions(laboratory),
        _samples(laboratory, "prior"),
        _samples(laboratory, "fitted"),
    ]
    has_pairs = any("closest_pairs" in model.pictures for model in laboratory.models)
    return [*found, _closest_pairs(laboratory)] if has_pairs else found


def originals(laboratory: Laboratory) -> Cell:
    """Returns the test images that reconstructions begin with."""
    found = [
        model.pictures["originals"] for model in laboratory.models if "originals" in model.pictures
    ]
    if not found:
        return Cell("originals", drawing.GREY, reason="no model wrote them")
    picture = pictures.grid(found[0])
    alt = f"{picture.count} original test images of {laboratory.dataset['name']}"
    return Cell("test images", drawing.GREY, picture, alt=alt)


def _reconstructions(laboratory: Laboratory) -> Strip:
    cells = []
    for model in laboratory.models:
        alt = (
            "{count} reconstructions by "
            + model.name
            + " of the original test images, in the same order"
        )
        cells.append(
            _cell(laboratory, model, "reconstructions", alt, table.MSE, table.made_by(model))
        )
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
    for model in laboratory.models:
        alt = "{count} " + title.lower() + " of " + model.name + ", made without any input image"
        cells.append(_cell(laboratory, model, f"{source}_samples", alt, metric))
    return Strip(tag, title, text, cells)


def _closest_pairs(laboratory: Laboratory) -> Strip:
    text = (
        "The samples that come nearest to a train image, by features: each sample, and right of it that train image. "
        "Pairs that are alike to the pixel are copies; see the nearest train rank in the table."
    )
    alt = "{count} images in pairs: a sample of {model}, and the train image nearest to it"
    cells = [
        _cell(laboratory, model, "closest_pairs", alt.replace("{model}", model.name), table.PRIOR)
        for model in laboratory.models
    ]
    return Strip("Closest pairs", "Samples nearest to a train image", text, cells)


def _cell(
    laboratory: Laboratory, model: Model, key: str, alt: str, metric: str, how: str = ""
) -> Cell:
    accent = laboratory.accent(model)
    if key not in model.pictures:
        return Cell(model.name, accent, reason=model.reason(metric))
    picture = pictures.grid(model.pictures[key])
    return Cell(
        model.name, accent, picture, alt=alt.replace("{count}", str(picture.count)), how=how
    )
