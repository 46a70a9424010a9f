"""The page of all models and the page of one, each an HTML text that needs nothing from outside."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genlab import pages
from genlab.imaging import arrays
from genlab.pages import Picture, plotly
from genlab.report import (
    curves,
    latents,
    opinions,
    pictures,
    rate_distortion,
    reproduction,
    strips,
    table,
    walks,
    words,
)
from genlab.report.cells import Group
from genlab.report.figures import Figure
from genlab.report.laboratory import Laboratory, ReportedModel

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Chapter:
    """What both pages draw of one model; `figures` are columns: latents, classes, dimensions."""

    name: str
    kind: str
    accent: str
    encodes: bool
    growth: list[tuple[str, list[Picture]]]
    paths: walks.WalkRows | None
    figures: list[list[Figure]]
    curves: list[Figure]

    def without_plane(self) -> "Chapter":
        """Returns the same for a page that has the latents in space."""
        return replace(self, figures=self.figures[1:])


def chapter(laboratory: Laboratory, model: ReportedModel) -> Chapter:
    """Returns all that both pages draw of one model."""
    accent, names = laboratory.accent(model), laboratory.dataset["class_names"]
    return Chapter(
        name=model.name,
        kind=model.kind,
        accent=accent,
        encodes=model.encodes,
        growth=_growth(laboratory, model),
        paths=walks.paths(model),
        figures=[
            latents.plane(model, names),
            latents.class_shares(model, names, accent),
            latents.dimensions(model, accent),
        ],
        curves=curves.curves({model.name: model}, {model.name: accent}),
    )


def index(laboratory: Laboratory, chapters: list[Chapter], links: dict[str, str]) -> str:
    """Returns the page of all models. Names and texts are escaped.

    Args:
        laboratory: What is shown.
        chapters: Of each model, in their order.
        links: Addresses relative to the page, of each model's page and of `data_docs`, if any.
    """
    groups, curve = table.groups(laboratory, links), laboratory.rate_distortion
    return pages.render(
        FOLDER,
        "index.html.j2",
        **_facts(laboratory, chapters, links),
        statements=words.summary(laboratory),
        groups=groups,
        opinions=opinions.tables(laboratory.models),
        everything=table.everything(laboratory.models),
        unranked=[row for group in groups for row in group.rows if row.unranked],
        missing=_missing(laboratory.models, groups),
        rate_distortion=rate_distortion.figure(curve) if curve else None,
    )


def model_page(laboratory: Laboratory, chapter: Chapter, links: dict[str, str]) -> str:
    """Returns the page of one model among all, with its latents in space and its traversals."""
    (model,) = [model for model in laboratory.models if model.name == chapter.name]
    alone, names = laboratory.alone(model), laboratory.dataset["class_names"]
    return pages.render(
        FOLDER,
        "model.html.j2",
        **_facts(alone, [chapter.without_plane()], links),
        model=model,
        statements=words.about(laboratory, model),
        groups=table.groups(alone, {}),
        measured=table.measured(model),
        skipped=sorted(model.skipped.items()),
        walks=walks.traversals(model),
        space=latents.space(model, names) if model.encodes else None,
        thumbnails=_thumbnails(laboratory) if model.encodes else None,
    )


def _facts(
    laboratory: Laboratory, chapters: list[Chapter], links: dict[str, str]
) -> dict[str, Any]:
    """Returns what each page says of pictures, data, protocol and reproduction."""
    checks = laboratory.validation.get("checks", [])
    return {
        "laboratory": laboratory,
        "dataset": laboratory.dataset,
        "shape": laboratory.shape,
        "num_images": sum(laboratory.dataset["num_images"].values()),
        "class_counts": laboratory.validation.get("class_counts", {}),
        "checks": sorted(checks, key=lambda check: bool(check.get("success"))),
        "validation": words.validation(checks),
        "chapters": chapters,
        "strips": strips.strips(laboratory),
        "warning": words.warning(laboratory),
        "protocols": table.protocols(laboratory.models),
        "commands": reproduction.commands(laboratory),
        "revision": laboratory.revision.sentence(),
        "links": links,
        "library": plotly.library(),
    }


def _growth(laboratory: Laboratory, model: ReportedModel) -> list[tuple[str, list[Picture]]]:
    number = sum(len(other.progress) for other in laboratory.models)
    budget = pictures.PROGRESS_BYTES / max(1, number)
    return [(kind, pictures.progress(grids, budget)) for kind, grids in model.progress.items()]


def _thumbnails(laboratory: Laboratory) -> pictures.Thumbnails:
    """Returns the test images that the latents are of."""
    split = arrays.read_split(laboratory.images, "test")
    inliers, _ = arrays.part_outliers(split, laboratory.dataset)
    return pictures.thumbnails(np.asarray(inliers.images[: latents.NUM_POINTS]))


def _missing(models: list[ReportedModel], groups: list[Group]) -> dict[str, list[str]]:
    """Returns per reason the values that are missing for it: `"gan, PSNR"`."""
    missing: dict[str, list[str]] = {}
    for row in (row for group in groups for row in group.rows):
        for model, cell in zip(models, row.cells, strict=True):
            if cell.reason:
                missing.setdefault(cell.reason, []).append(f"{model.name}, {row.label}")
    return missing
