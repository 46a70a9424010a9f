"""The stage `report`: one self-contained page that compares the trained models.

collect  what the other stages wrote, checked, for the models that `params.yaml` lists
table    the rows of the comparison: numbers, references, and which value is best, if that may be said
words    the same in sentences
figures  curves, scatters and histograms                                               [matplotlib]
pictures grids of images as data URIs
page     all of it as HTML                                                             [Jinja2]
plots    curves and grids as files for `dvc plots`
"""

from pathlib import Path

from genlab.params import Params


def run(
    params: Params,
    models: Path,
    scores: Path,
    evaluation: Path,
    features: Path,
    images: Path,
    validation: Path,
    timings: Path,
    out: Path,
    plots: Path | None = None,
) -> None:
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
        out: The HTML file.
        plots: Folder for the curves and grids that `dvc plots` shows; nothing is written without it.

    Raises:
        InputError: A file of a listed model is missing or unreadable.
    """
    from genlab.stages.report import collect, page
    from genlab.stages.report import plots as dvc_plots

    laboratory = collect.read(params, models, scores, evaluation, features, images, validation, timings)
    text = page.render(laboratory)
    if plots is not None:
        dvc_plots.write(laboratory, Path(plots))
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8", newline="\n")
