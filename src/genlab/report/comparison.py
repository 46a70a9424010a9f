"""The page that compares any set of runs, as MLflow has them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from genlab import pages
from genlab.pages import plotly
from genlab.report import collect, curves, figures, strips, table
from genlab.report.laboratory import ReportedModel, Series
from genlab.report.page import FOLDER
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.tracking import Fetched

NOT_KEPT = "the run has no such grid"


def write(runs: Sequence[Fetched], out: Path) -> None:
    """Writes the page of these runs, HTML."""
    text = render(runs)
    with replacing(out) as building:
        building.write_text(text, encoding="utf-8", newline="\n")


def render(runs: Sequence[Fetched]) -> str:
    """Returns the page. Names and texts are escaped; nothing is loaded from outside.

    Raises:
        InputError: The scores of a run have another form.
    """
    names = _names(runs)
    models = {name: _model(name, run) for name, run in zip(names, runs, strict=True)}
    accents = {name: figures.accent(index) for index, name in enumerate(names)}
    columns = [{"name": name, "accent": accent} for name, accent in accents.items()]
    drawn = curves.curves(models, accents)
    return pages.render(
        FOLDER,
        "comparison.html.j2",
        runs=list(zip(columns, runs, strict=True)),
        columns=columns,
        everything=table.everything([*models.values()]),
        differing=_differing(runs),
        strips=_strips(dict(zip(names, runs, strict=True)), accents),
        chapters=[{"accent": figures.SOFT, "curves": drawn}],
        library=plotly.library() if drawn else "",
    )


def _names(runs: Sequence[Fetched]) -> list[str]:
    """Returns a name per run, with the beginning of its id where several have the same."""
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} {run.run_id[:8]}"
        for name, run in zip(names, runs, strict=True)
    ]


def _model(name: str, run: Fetched) -> ReportedModel:
    try:
        scores, skipped = collect.finite_scores({"metrics": {}} | run.scores)
    except (AttributeError, KeyError, TypeError) as error:
        expected = f"the scores of the run {name} must be of this version"
        raise InputError(expected, repr(error), "Score its model again: dvc repro") from None
    data = {"data": run.tags.get("genlab.data_hash", "unknown")}
    for metric, score in scores.items():
        scores[metric] = replace(score, protocol=score.protocol | data)
    return ReportedModel(
        name=name,
        settings={"kind": run.kind, "settings": run.params},
        scores=scores,
        skipped=skipped,
        history={column: _series(*points) for column, points in run.history.items()},
    )


def _series(steps: list[int], values: list[float]) -> Series:
    finite = np.isfinite(values)
    return np.array(steps, np.int64)[finite], np.array(values, np.float64)[finite]


def _differing(runs: Sequence[Fetched]) -> list[tuple[str, list[str]]]:
    """Returns the parameters that are not the same in all runs, with each run's value."""
    keys = sorted({key for run in runs for key in run.params})
    rows = [(key, [run.params.get(key, "–") for run in runs]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _strips(runs: dict[str, Fetched], accents: dict[str, str]) -> list[strips.Strip]:
    rows = []
    for name in strips.in_order({name for run in runs.values() for name in run.pictures}):
        kind = strips.Kind(strips.kind_of(name).tag, strips.kind_of(name).title)
        cells = [_cell(run, accents[run], kind, runs[run].pictures.get(name)) for run in runs]
        rows.append(strips.Strip(kind, cells))
    return rows


def _cell(run: str, accent: str, kind: strips.Kind, png: bytes | None) -> strips.StripCell:
    if png is None:
        return strips.StripCell(run, accent, kind.tag, reason=NOT_KEPT)
    alt = f"{kind.title}: {run}"
    return strips.StripCell(run, accent, kind.tag, pages.picture(png), alt=alt)
