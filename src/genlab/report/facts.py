"""The rows that hold no scores: what a model is, and how long its training took."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genlab.pages import duration, significant
from genlab.report.cells import Cell, Group, Row
from genlab.report.laboratory import ReportedModel

NO_LATENT = "no latent vector"
NO_TIME = Cell(reason="no record of this training's time on this machine")
TIMES: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("Training time", "", "train_seconds", duration),
    ("Training speed", "images/s", "images_per_second", "{:,.0f}".format),
    ("Device", "", "device", str),
)
"""Label, unit and name of what is known of a training, and how it is written."""


def about_models(models: Sequence[ReportedModel], links: Mapping[str, str]) -> Group:
    """Returns what the models are; `links` has the address of each one's page, if there are any."""

    def row(label: str, cell: Callable[[ReportedModel], Cell], unit: str = "") -> Row:
        return Row(label, unit, [cell(model) for model in models])

    rows = [
        row("Kind", lambda model: Cell(model.kind)),
        row("Latent size", lambda model: _count(model.latent_dim, NO_LATENT), "dimensions"),
        row("Parameters", lambda model: _count(model.num_parameters)),
        row("Training length", _length, "steps"),
        row("Weights kept", lambda model: Cell(_kept(model))),
        row("Precision", lambda model: Cell(str(model.settings.get("precision", "")))),
    ]
    if any(model.given for model in models):
        rows.insert(1, row("Given", lambda model: Cell(", ".join(model.given) or "nothing")))
    if links:
        rows.insert(0, row("Page", lambda model: Cell(model.name, link=links[model.name])))
    return Group("Model", rows)


def about_trainings(timings: Sequence[Mapping[str, Any]]) -> Group:
    """Returns time, speed, device and MLflow run of each model's training."""
    rows = []
    for label, unit, key, text in TIMES:
        values = [timing.get(key) for timing in timings]
        cells = [NO_TIME if value is None else Cell(text(value)) for value in values]
        rows.append(Row(label, unit, cells))
    links = [_link(str(timing.get("run_url", ""))) for timing in timings]
    if any(cell.link for cell in links):
        rows.append(Row("MLflow run", "", links))
    return Group("Training", rows)


def _count(value: object, reason: str = "not recorded") -> Cell:
    return Cell(f"{value:,}") if isinstance(value, int) else Cell(reason=reason)


def _length(model: ReportedModel) -> Cell:
    steps, stopped = model.setting("steps"), model.settings.get("kept", {}).get("stopped_at")
    if stopped is None or stopped == steps:
        return _count(steps)
    return Cell(f"{stopped:,}", note=f"stopped early, of {steps:,}")


def _kept(model: ReportedModel) -> str:
    """Returns whose weights the numbers are of: of the last step, or of the best validation."""
    kept = model.settings.get("kept", {})
    if kept.get("rule") != "best":
        return "last step"
    monitor, value = kept["monitor"].replace("_", " "), significant(kept["value"])
    return f"step {kept['step']:,}: lowest validation {monitor}, {value}"


def _link(address: str) -> Cell:
    """Returns a link to a page of the web; another address is not trusted."""
    is_web = address.startswith(("http://", "https://"))
    return Cell("open", link=address) if is_web else NO_TIME
