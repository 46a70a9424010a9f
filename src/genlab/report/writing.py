"""Writes the pages, the cards, and what `dvc plots` shows."""

import os
from pathlib import Path

from genlab.report import card, collect, page, plots
from genlab.report.collect import ReportPaths
from genlab.report.laboratory import Laboratory
from genlab.runtime.files import FolderKind, check_free, replacing
from genlab.settings.params import Params

PAGES = FolderKind("pages of models", ("*.html", "*.md"), mark=b"Model card")


def write_pages(params: Params, paths: ReportPaths) -> Laboratory:
    """Writes all pages and returns what they show. Equal inputs give equal bytes.

    Args:
        params: The merged parameters; `params.models` says which models are shown, in which order.
        paths: Where the other stages wrote, and where the pages go.

    Raises:
        InputError: A file of a listed model is missing or unreadable, or an output would replace
            something else.
    """
    check_free(paths.out)
    check_free(paths.pages, PAGES)
    check_free(paths.plots, plots.KIND)
    laboratory = collect.read(params, paths)
    chapters = [page.chapter(laboratory, model) for model in laboratory.models]
    targets = {name: paths.pages / f"{name}.html" for name in params.models}
    docs = paths.data_docs / "index.html"
    targets |= {"index": paths.out} | ({"data_docs": docs} if docs.is_file() else {})
    text = page.index(laboratory, chapters, _links(targets, paths.out.parent))
    links = _links(targets, paths.pages)
    with replacing(paths.pages, PAGES) as building:
        building.mkdir()
        for model, chapter in zip(laboratory.models, chapters, strict=True):
            html = page.model_page(laboratory, chapter, links)
            _write(building / f"{model.name}.html", html)
            _write(building / f"{model.name}.md", card.render(laboratory, model))
    plots.write(laboratory, paths.plots)
    with replacing(paths.out) as building:
        _write(building, text)
    return laboratory


def _links(targets: dict[str, Path], folder: Path) -> dict[str, str]:
    """Returns the addresses of files as seen from a folder."""
    return {name: Path(os.path.relpath(path, folder)).as_posix() for name, path in targets.items()}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
