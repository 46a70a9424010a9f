"""Rows of pictures, one cell per model: reconstructions, samples, translations, nearest samples."""

from dataclasses import dataclass

from genlab.pages import Picture, readable
from genlab.report import pictures
from genlab.report.cells import DISTANCE, MSE, made_by
from genlab.report.figures import SOFT
from genlab.report.laboratory import SAMPLES, Laboratory, ReportedModel


@dataclass(frozen=True)
class StripCell:
    """A picture in a row of pictures, or the reason why there is none."""

    name: str
    accent: str = SOFT
    tag: str = ""
    picture: Picture | None = None
    reason: str = ""
    alt: str = ""
    how: str = ""


@dataclass(frozen=True)
class Kind:
    """What pictures of one name are.

    Attributes:
        tag: Above each picture.
        title: Of the row.
        text: What one must know to read it.
        alt: The same for readers who do not see it, with {count} and {model}.
        metric: A score that a model without such pictures lacks for the same reason.
        before: Names of pictures of the data that stand before the models'.
        after: Names of those that stand behind them.
    """

    tag: str
    title: str
    text: str = ""
    alt: str = "{count} pictures of {model}"
    metric: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strip:
    """The pictures of one kind."""

    kind: Kind
    cells: list[StripCell]


KINDS = {
    "reconstructions": Kind(
        "Reconstruction",
        "Reconstructions of the originals",
        "A test image goes in, the model gives it back: this shows what the latent keeps, "
        "not what it can invent.",
        "{count} reconstructions by {model} of the original test images, in the same order",
        MSE,
        before=("originals",),
    ),
    "prior_samples": Kind(
        "Prior sample",
        "Samples from the prior",
        "No image goes in: noise is drawn from the prior that the model was trained with, "
        "and turned into images.",
        "{count} samples from the prior of {model}, made without any input image",
        f"test/prior/{DISTANCE}",
    ),
    "fitted_samples": Kind(
        "Fitted-density sample",
        "Samples from the fitted density",
        "No image goes in: latents are drawn from a Gaussian mixture, fitted to the train "
        "latents, and decoded.",
        "{count} samples from the fitted density of {model}, made without any input image",
        f"test/fitted/{DISTANCE}",
    ),
    "translation": Kind(
        "Output",
        "Translations",
        "An input goes in, the model answers; the target is the test image that it belongs to.",
        "{count} translations by {model} of the inputs, in the same order",
        "test/translation/mse",
        before=("translation_inputs",),
        after=("translation_targets",),
    ),
    "closest_pairs": Kind(
        "Closest pairs",
        "Samples nearest to a train image",
        "The samples that come nearest to a train image, by features: each sample, and right of "
        "it that train image. Pairs that are alike to the pixel are copies; see the nearest "
        "train rank in the table.",
        "{count} images in pairs: a sample of {model}, and the train image nearest to it",
        f"test/prior/{DISTANCE}",
    ),
}
"""By name, in the order of the page; pictures of another name stand behind them."""
REFERENCES = {
    "originals": Kind("Original", "Test images", alt="{count} original test images"),
    "translation_inputs": Kind("Input", "Inputs", alt="{count} inputs, made from test images"),
    "translation_targets": Kind("Target", "Targets", alt="{count} test images, the targets"),
}
"""Pictures of the data that stand beside the models'."""


def kind_of(name: str) -> Kind:
    """Returns what pictures of a name are."""
    return (REFERENCES | KINDS).get(name) or Kind(readable(name), readable(name))


def in_order(names: set[str]) -> list[str]:
    """Returns names of pictures in the order of the page."""
    known = [name for name in (*REFERENCES, *KINDS) if name in names]
    return known + sorted(names - set(known))


def strips(laboratory: Laboratory) -> list[Strip]:
    """Returns a row for each kind of picture that any model has, reconstructions first."""
    models = laboratory.models
    strips = []
    for name in in_order({name for m in models for name in m.pictures} - set(REFERENCES)):
        kind = kind_of(name)
        cells = [_cell(model, name, laboratory.accent(model)) for model in models]
        before, after = (_references(models, names) for names in (kind.before, kind.after))
        strips.append(Strip(kind, [*before, *cells, *after]))
    return strips


def _cell(model: ReportedModel, name: str, accent: str) -> StripCell:
    kind, images = kind_of(name), model.pictures.get(name)
    if images is None:
        return StripCell(model.name, accent, kind.tag, reason=model.reason(kind.metric))
    how = made_by(model) if name == "reconstructions" else ""
    classes = model.arrays.get("asked_classes", {}).get(name.removesuffix(SAMPLES))
    if classes is None:
        picture = pictures.grid(images)
    else:
        picture, how = pictures.by_class(images, classes), "a row per class"
    alt = kind.alt.format(count=picture.count, model=model.name)
    return StripCell(model.name, accent, kind.tag, picture, alt=alt, how=how)


def _references(models: list[ReportedModel], names: tuple[str, ...]) -> list[StripCell]:
    """Returns pictures of the data, as the first model that has them wrote them."""
    cells = []
    for name in names:
        images = next((m.pictures[name] for m in models if name in m.pictures), None)
        if images is not None:
            picture, kind = pictures.grid(images), REFERENCES[name]
            alt = kind.alt.format(count=picture.count)
            cells.append(StripCell(kind.title.lower(), SOFT, kind.tag, picture, alt=alt))
    return cells
