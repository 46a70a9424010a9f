"""The stage `report`: one self-contained page that compares the trained models, and a page and a card of each.

collect          what the other stages wrote, checked, for the models that `params.yaml` lists
page             the page of all models
model_page       the page of one
comparison       the page of any runs, from MLflow
card             the same as a model card, Markdown

table, ranking   rows of numbers; which may stand in one row, and which is best, if that may be said
words            the same in sentences
protocols        how each number was measured
reproduction     the commands that make the page again

chapters         what is drawn of each model, from:
strips, paths    grids and rows of images
traversals       one latent dimension at a time
scatter          latents in space
lines            training curves, as numbers
curves, latents, rate_distortion    figures                  [matplotlib]
drawing, pictures                   what figures and grids share

index, model, comparison, card .j2; parts/, macros    templates of what these render
scripts/                                  what moves on the pages
plots            curves and grids as files for `dvc plots`
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from genlab import tracking
from genlab.runtime import progress
from genlab.runtime.files import replacing
from genlab.settings.params import Params

if TYPE_CHECKING:
    from genlab.report.collect import Laboratory


def run(params: Params, **paths: Path) -> None:
    """Writes the pages, and adds those of a model to its run. The paths are those of `write_pages`."""
    progress.note(f"report: pages of {', '.join(params.models)}")
    for model in write_pages(params, **paths).models:
        with tracking.scoring_run(
            train_key=model.settings["train_key"],
            name=model.name,
            kind=model.kind,
            protocol=model.scores["protocol"],
        ) as run:
            run.log_artifact(paths["out"], "report")
            for ending in (".html", ".md"):
                run.log_artifact(paths["pages"] / f"{model.name}{ending}", "report/models")


def compare(names: list[str], out: Path) -> None:
    """Writes the page that compares runs of MLflow, HTML.

    Args:
        names: Of each run its id, its name, or its model's, then the newest; each once.
        out: The HTML file.

    Raises:
        InputError: MLflow does not answer, or has no such run.
    """
    from genlab.report import comparison

    comparison.write(tracking.fetch(names), out)


def write_pages(
    params: Params,
    models: Path,
    scores: Path,
    evaluation: Path,
    features: Path,
    images: Path,
    validation: Path,
    timings: Path,
    rate_distortion: Path,
    data_docs: Path,
    plots: Path,
    pages: Path,
    out: Path,
) -> "Laboratory":
    """Writes the pages, and what `dvc plots` shows. Equal inputs give equal bytes.

    Args:
        params: The merged parameters; `params.models` says which models are shown, in which order.
        models: Folder with one trained model per name.
        scores: Folder with `<name>/scores.json`.
        evaluation: Folder with `<name>/pictures.npz`, and what else there is to draw.
        features: Folder of the feature extractor.
        images: Folder of the fetched data set.
        validation: The summary that the stage `validate` wrote.
        timings: Folder with `<name>.json`; it and its files may be missing.
        rate_distortion: Folder of the curve that `genlab rate-distortion` wrote; may be missing.
        data_docs: Folder of the Data Docs, for a link; may be missing.
        plots: Folder for the curves and grids that `dvc plots` shows.
        pages: Folder for `<name>.html` and `<name>.md`; replaced as a whole.
        out: The HTML file that compares all models.

    Returns:
        What the pages were made of.

    Raises:
        InputError: A file of a listed model is missing or unreadable.
    """
    from genlab.report import card, chapters, collect, model_page, page, reproduction
    from genlab.report import plots as dvc_plots

    laboratory = collect.read(
        params, models, scores, evaluation, features, images, validation, timings, rate_distortion
    )
    revision, docs = reproduction.revision(), data_docs / "index.html"
    drawn = [chapters.chapter(laboratory, model) for model in laboratory.models]
    targets = {model.name: pages / f"{model.name}.html" for model in laboratory.models}
    targets |= {"index": out} | ({"data_docs": docs} if docs.is_file() else {})
    text = page.render(laboratory, drawn, revision, _links(targets, out.parent))
    with replacing(pages) as building:
        building.mkdir()
        for model, chapter in zip(laboratory.models, drawn, strict=True):
            own = model_page.render(laboratory, model, chapter, revision, _links(targets, pages))
            _write(building / f"{model.name}.html", own)
            _write(building / f"{model.name}.md", card.render(laboratory, model, revision))
    dvc_plots.write(laboratory, plots)
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(out, text)
    return laboratory


def _links(targets: dict[str, Path], folder: Path) -> dict[str, str]:
    """Returns the addresses of files as seen from a folder."""
    return {name: Path(os.path.relpath(path, folder)).as_posix() for name, path in targets.items()}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
