"""Stage `report`: the page that compares the trained models, a page and a card of each."""

from pathlib import Path

from genlab import tracking
from genlab.report.collect import ReportPaths
from genlab.report.laboratory import ReportedModel
from genlab.runtime import progress
from genlab.runtime.files import check_free
from genlab.settings.params import Params


def run(params: Params, **paths: Path) -> None:
    """Writes the pages, and adds those of each model to its run.

    Args:
        params: The merged parameters.
        paths: By the names of `genlab.report.collect.ReportPaths`.

    Raises:
        InputError: A file of a listed model is missing or unreadable.
    """
    from genlab.report.writing import write_pages

    progress.note(f"report: pages of {', '.join(params.models)}")
    places = ReportPaths(**paths)
    for model in write_pages(params, places).models:
        _track(model, places)


def compare(names: list[str], out: Path) -> None:
    """Writes the page that compares runs of MLflow, HTML.

    Args:
        names: Of each run its id, its name, or its model's, then the newest; each once.
        out: The HTML file.

    Raises:
        InputError: MLflow does not answer, or has no such run.
    """
    from genlab.report import comparison

    check_free(out)
    comparison.write(tracking.fetch(names), out)


def _track(model: ReportedModel, paths: ReportPaths) -> None:
    with tracking.scoring_run(
        train_key=model.settings["train_key"],
        name=model.name,
        kind=model.kind,
        protocol=model.protocol,
    ) as run:
        run.log_artifact(paths.out, "report")
        for ending in (".html", ".md"):
            run.log_artifact(paths.pages / f"{model.name}{ending}", "report/models")
