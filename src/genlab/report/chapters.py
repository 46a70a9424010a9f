"""What the pages draw of each model: growth, latents, classes, curves, paths."""

from dataclasses import dataclass

from genlab.pages import Picture
from genlab.report import curves, latents, paths, pictures, table
from genlab.report.collect import Laboratory, Model
from genlab.report.drawing import Chart


@dataclass(frozen=True)
class Chapter:
    """What the page draws of one model."""

    name: str
    kind: str
    accent: str
    how: str
    encodes: bool
    growth: list[tuple[str, list[Picture]]]
    paths: paths.Paths | None
    scatter: Chart | None
    shares: Chart | None
    activations: list[Chart]
    kls: Chart | None
    curves: list[Chart]


def chapter(laboratory: Laboratory, model: Model) -> Chapter:
    """Returns all that is drawn of one model."""
    accent, names = laboratory.accent(model), laboratory.dataset["class_names"]
    return Chapter(
        name=model.name,
        kind=model.kind,
        accent=accent,
        how=table.made_by(model),
        encodes=model.encodes,
        growth=_growth(laboratory, model),
        paths=paths.paths(model),
        scatter=latents.latents(model, names) if model.encodes else None,
        shares=latents.class_shares(model, names, accent) if model.class_histogram else None,
        activations=latents.activations(model, accent) if model.histograms else [],
        kls=latents.kl_per_dimension(model, accent) if model.kl_per_dimension else None,
        curves=curves.curves(model, accent),
    )


def _growth(laboratory: Laboratory, model: Model) -> list[tuple[str, list[Picture]]]:
    """Returns the grids of each kind over the training."""
    budget = pictures.PROGRESS_BYTES / max(1, sum(len(each.progress) for each in laboratory.models))
    return [(kind, pictures.progress(grids, budget)) for kind, grids in model.progress.items()]
