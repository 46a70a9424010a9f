"""The stage `report`: one self-contained page that compares the trained models.

collect  what the other stages wrote, checked, for the models that `params.yaml` lists
table    the rows of the comparison: numbers, intervals, references
ranking  which values may stand in one row, and which is best, if that may be said
words    the same in sentences
curves   training curves                                                               [matplotlib]
latents  scatters of latents, classes, activations, KL per dimension                   [matplotlib]
drawing  what the figures share                                                        [matplotlib]
pictures grids of images as data URIs
page     all of it as HTML                                                             [Jinja2]
plots    curves and grids as files for `dvc plots`
"""

from pathlib import Path
from typing import TYPE_CHECKING

from genlab import tracking
from genlab.params import Params

if TYPE_CHECKING:
    from genlab.stages.report.collect import Laboratory


def run(params: Params, **paths: Path) -> None:
    """Writes the page, and adds it to the run of each model. The paths are those of `write_page`."""
    for model in write_page(params, **paths).models:
        with tracking.scoring_run(
            train_key=model.settings["train_key"], name=model.name, kind=model.kind, protocol=model.scores["protocol"]
        ) as run:
            run.log_artifact(paths["out"], "report")


def write_page(
    params: Params,
    models: Path,
    scores: Path,
    evaluation: Path,
    features: Path,
    images: Path,
    validation: Path,
    timings: Path,
    plots: Path,
    out: Path,
) -> "Laboratory":
    """Writes the page, and what `dvc plots` shows. Equal inputs give equal bytes.

    Args:
        params: The merged parameters; `params.models` says which models are shown, in which order.
        models: Folder with one trained model per name.
        scores: Folder with `<name>/scores.json`.
        evaluation: Folder with `<name>/pictures.npz`, and what else there is to draw.
        features: Folder of the feature extractor.
        images: Folder of the fetched data set.
        validation: The summary that the stage `validate` wrote.
        timings: Folder with `<name>.json`; it and its files may be missing.
        plots: Folder for the curves and grids that `dvc plots` shows.
        out: The HTML file.

    Returns:
        What the page was made of.

    Raises:
        InputError: A file of a listed model is missing or unreadable.
    """
    from genlab.stages.report import collect, page
    from genlab.stages.report import plots as dvc_plots

    laboratory = collect.read(params, models, scores, evaluation, features, images, validation, timings)
    text = page.render(laboratory)
    dvc_plots.write(laboratory, plots)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8", newline="\n")
    return laboratory
