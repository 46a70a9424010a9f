"""The page that compares any set of runs, as MLflow has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genlab import pages
from genlab.pages import plotly
from genlab.report import drawing, lines, page, strips, table
from genlab.report.collect import Model, Series
from genlab.runtime.files import replacing
from genlab.tracking import Fetched

STRIPS = {
    "originals": ("Original", "Test images"),
    "reconstructions": ("Reconstruction", "Reconstructions of the test images"),
    "prior_samples": ("Prior sample", "Samples from the prior"),
    "fitted_samples": ("Fitted-density sample", "Samples from the fitted density"),
    "closest_pairs": (
        "Closest pairs",
        "Samples nearest to a train image, each with that image right of it",
    ),
}
NOT_KEPT = "the run has no such grid"


@dataclass(frozen=True)
class Runs:
    """The runs as the table and the ranking take models; each metric's protocol says on which data it was measured."""

    models: list[Model]

    @property
    def num_real(self) -> int:
        """The smallest number of real images that a distance was measured on."""
        protocols = (
            each["protocol"] for model in self.models for each in model.scores["metrics"].values()
        )
        return min(
            (int(protocol["num_real"]) for protocol in protocols if "num_real" in protocol),
            default=0,
        )


def write(runs: Sequence[Fetched], out: Path) -> None:
    """Writes the page of these runs, HTML."""
    text = render(runs)
    with replacing(out) as building:
        building.write_text(text, encoding="utf-8", newline="\n")


def render(runs: Sequence[Fetched]) -> str:
    """Returns the page. Names and texts are escaped; nothing is loaded from outside."""
    names = _names(runs)
    compared = Runs([_model(name, run) for name, run in zip(names, runs, strict=True)])
    accents = {name: drawing.accent(index) for index, name in enumerate(names)}
    columns = [{"name": name, "accent": accents[name]} for name in names]
    return (
        pages.environment(page.FOLDER)
        .get_template("comparison.html.j2")
        .render(
            runs=list(zip(columns, runs, strict=True)),
            columns=columns,
            everything=table.everything(compared),
            differing=_differing(names, runs),
            strips=_strips(names, runs, accents),
            panels=lines.panels({model.name: model for model in compared.models}, accents),
            library=plotly.library(),
            as_json=plotly.as_json,
        )
    )


def _names(runs: Sequence[Fetched]) -> list[str]:
    """Returns a name per run, with the beginning of its id where several have the same."""
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} {run.run_id[:8]}"
        for name, run in zip(names, runs, strict=True)
    ]


def _model(name: str, run: Fetched) -> Model:
    data = run.tags.get("genlab.data_hash", "unknown")
    metrics = {
        key: metric | {"protocol": metric.get("protocol", {}) | {"data": data}}
        for key, metric in run.scores.get("metrics", {}).items()
    }
    return Model(
        name=name,
        settings={"kind": run.kind, "settings": run.params},
        scores=run.scores | {"metrics": metrics},
        history={key: _series(*series) for key, series in run.history.items()},
    )


def _series(steps: list[int], values: list[float]) -> Series:
    finite = np.isfinite(values)
    return np.array(steps, np.int64)[finite], np.array(values, np.float64)[finite]


def _differing(names: list[str], runs: Sequence[Fetched]) -> list[tuple[str, list[str]]]:
    """Returns the parameters that are not the same in all runs, with each run's value."""
    keys = sorted({key for run in runs for key in run.params})
    rows = [(key, [run.params.get(key, "–") for run in runs]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _strips(
    names: list[str], runs: Sequence[Fetched], accents: dict[str, str]
) -> list[strips.Strip]:
    found = []
    for key, (tag, title) in STRIPS.items():
        if any(key in run.pictures for run in runs):
            cells = [
                _cell(name, accents[name], run.pictures.get(key), title)
                for name, run in zip(names, runs, strict=True)
            ]
            found.append(strips.Strip(tag, title, "", cells))
    return found


def _cell(name: str, accent: str, png: bytes | None, title: str) -> strips.Cell:
    if png is None:
        return strips.Cell(name, accent, reason=NOT_KEPT)
    return strips.Cell(name, accent, pages.picture(png), alt=f"{title}: {name}")
