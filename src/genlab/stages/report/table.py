"""The rows of the comparison: one per quantity, one cell per model, and the best value where that may be said."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from genlab.stages.report.collect import NOT_MEASURED, Laboratory, Model, differing

FEW_IMAGES = 1000
PRIOR, FITTED, FLOOR = "test/prior/frechet_distance", "test/fitted/frechet_distance", "test/floor/frechet_distance"
MSE, SUBSET_MSE, PCA_MSE = "test/reconstruction/mse", "test/reconstruction_subset/mse", "test/pca/mse"
NEGATIVE_ELBO = "test/reconstruction/negative_elbo"
ENCODER, INVERSION = "encoder", "latent optimised (inversion)"


@dataclass(frozen=True)
class Cell:
    """What one model has of one quantity.

    Attributes:
        text: The rounded value; empty where there is none.
        note: What it is compared with: `"4.2 × floor"`.
        reason: Why there is no value.
        best: Whether no other model has a better one.
        link: An address that the note leads to.
    """

    text: str = ""
    note: str = ""
    reason: str = ""
    best: bool = False
    link: str = ""


@dataclass(frozen=True)
class Row:
    """One quantity.

    Attributes:
        label: What it is.
        unit: Its unit, and which direction is better.
        cells: One per model, in the page's order.
        unranked: Why no value is marked as best, where one would expect a mark.
    """

    label: str
    unit: str
    cells: list[Cell]
    unranked: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: list[Row] = field(default_factory=list)


def significant(value: float, digits: int = 3) -> str:
    """Returns the value with so many significant digits, without an exponent from 1e-6 on, thousands apart."""
    if value == 0 or not 1e-6 <= abs(value) < 10**digits:
        return f"{value:,.0f}" if value == 0 or abs(value) >= 1 else f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")
    return f"{rounded:,.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"


def duration(seconds: float) -> str:
    """Returns a length of time as people say it."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def floor(laboratory: Laboratory, model: Model) -> float | None:
    """Returns the distance between two sets of real images, as measured with the model or with the features."""
    measured = model.value(FLOOR)
    value = laboratory.features_metrics.get(FLOOR) if measured is None else measured
    return float(value) if value is not None and math.isfinite(value) else None


def times_floor(laboratory: Laboratory, model: Model, metric: str) -> float | None:
    """Returns a Fréchet distance in units of the floor, where there are both."""
    value, lowest = model.value(metric), floor(laboratory, model)
    return value / lowest if value is not None and lowest is not None and lowest > 0 else None


def against_pca(model: Model, metric: str = MSE) -> float | None:
    """Returns the reconstruction error relative to that of PCA: -0.4 is 40 % below it."""
    value, baseline = model.value(metric), model.value(PCA_MSE)
    return value / baseline - 1 if value is not None and baseline else None


def percent(relation: float, what: str) -> str:
    """Returns `"40 % below PCA"`."""
    share = significant(abs(relation) * 100, 2)
    return f"{share} % {'below' if relation < 0 else 'above'} {what}"


def made_by(model: Model) -> str:
    """Returns how the model reconstructs, as the evaluation noted it."""
    noted = (model.about(metric, "method") for metric in (SUBSET_MSE, MSE))
    return next((str(method) for method in noted if method), ENCODER if model.encodes else INVERSION)


def rank(laboratory: Laboratory, metric: str) -> tuple[list[str], str]:
    """Returns the models with the best value of a metric, and why there is no ranking where there is none.

    Values are ranked only where at least two models have one, by one and the same protocol.
    """
    values = {m.name: v for m in laboratory.models if (v := m.value(metric)) is not None}
    directions = {m.about(metric, "direction") for m in laboratory.models if m.name in values}
    if len(values) < 2 or directions not in ({"lower"}, {"higher"}):
        return [], ""
    if metric.endswith("frechet_distance") and laboratory.num_real < FEW_IMAGES:
        return [], f"{laboratory.num_real:,} real images are too few"
    differences = differing({m.name: m.about(metric, "protocol") or {} for m in laboratory.models if m.name in values})
    if differences:
        return [], "the protocols differ: " + "; ".join(map(_difference, differences.items()))
    best = min(values.values()) if directions == {"lower"} else max(values.values())
    return [name for name, value in values.items() if value == best], ""


def _difference(item: tuple[str, dict[str, Any]]) -> str:
    key, per_model = item
    models: dict[str, list[str]] = {}
    for name, value in per_model.items():
        models.setdefault("missing" if value is None else str(value), []).append(name)
    return f"{key} is " + " and ".join(f"{value} ({', '.join(names)})" for value, names in models.items())


def groups(laboratory: Laboratory) -> list[Group]:
    """Returns the whole table."""
    return [
        Group("Samples", _samples(laboratory)),
        Group("Reconstruction", _reconstruction(laboratory)),
        Group("Model", _model(laboratory)),
        Group("Training", _training(laboratory)),
    ]


def _samples(laboratory: Laboratory) -> list[Row]:
    def note(metric: str) -> Callable[[Model], str]:
        def times(model: Model) -> str:
            ratio = times_floor(laboratory, model, metric)
            return "" if ratio is None else f"{significant(ratio, 2)} × floor"

        return times

    shares = [
        _metric(laboratory, f"{size.capitalize()} class share, {source} samples", f"test/{source}/{size}_class_share",
                lambda value: f"{value:.2f}", ranked=False)
        for source in ("prior", "fitted")
        for size in ("smallest", "largest")
    ]  # fmt: skip
    floors = [floor(laboratory, model) for model in laboratory.models]
    known = [row for row in shares if any(cell.reason != NOT_MEASURED for cell in row.cells)]
    return [
        _metric(laboratory, "Fréchet distance, prior samples", PRIOR, significant, note(PRIOR)),
        _metric(laboratory, "Fréchet distance, fitted-density samples", FITTED, significant, note(FITTED)),
        Row(
            "Floor: Fréchet distance, real against real",
            "reference",
            [Cell(significant(v)) if v is not None else Cell(reason=NOT_MEASURED) for v in floors],
        ),
        *known,
    ]


def _reconstruction(laboratory: Laboratory) -> list[Row]:
    def note(model: Model) -> str:
        relation = against_pca(model)
        return "" if relation is None else percent(relation, "PCA")

    return [
        _metric(laboratory, "Reconstruction MSE, all test images", MSE, significant, note),
        _metric(laboratory, "Reconstruction MSE, common subset", SUBSET_MSE, significant, made_by),
        _metric(laboratory, "PCA of the same latent size, MSE", PCA_MSE, significant, ranked=False),
        _metric(laboratory, "PSNR, all test images", "test/reconstruction/psnr", lambda value: f"{value:.2f}"),
        _metric(laboratory, "Negative ELBO, unweighted", NEGATIVE_ELBO, lambda value: f"{value:,.1f}"),
        Row("Reconstructions made by", "", [Cell(made_by(model)) for model in laboratory.models]),
    ]


def _model(laboratory: Laboratory) -> list[Row]:
    models = laboratory.models
    return [
        Row("Kind", "", [Cell(model.kind) for model in models]),
        Row("Latent size", "dimensions", [_count(model.setting("latent_dim")) for model in models]),
        Row("Parameters", "", [_count(model.scores.get("num_parameters")) for model in models]),
        Row("Training length", "steps", [_length(model) for model in models]),
        Row("Weights kept", "", [Cell(_kept(model)) for model in models]),
        Row("Precision", "", [Cell(str(model.settings.get("precision", ""))) for model in models]),
    ]


def _length(model: Model) -> Cell:
    steps, stopped = model.setting("steps"), model.settings.get("kept", {}).get("stopped_at")
    if stopped is None or stopped == steps:
        return _count(steps)
    return Cell(f"{stopped:,}", note=f"stopped early, of {steps:,}")


def _kept(model: Model) -> str:
    """Returns which weights the numbers are of: the last ones, or those with the best validation."""
    kept = model.settings.get("kept", {})
    if kept.get("rule") != "best":
        return "last step"
    return f"step {kept['step']:,}: lowest validation {kept['monitor'].replace('_', ' ')}, {significant(kept['value'])}"


def _training(laboratory: Laboratory) -> list[Row]:
    timings = [model.timings for model in laboratory.models]
    missing = Cell(reason="no record of this training's time on this machine")

    def cells(key: str, text: Callable[[Any], str]) -> list[Cell]:
        return [Cell(text(timing[key])) if timing.get(key) is not None else missing for timing in timings]

    rows = [
        Row("Training time", "", cells("train_seconds", duration)),
        Row("Training speed", "images/s", cells("images_per_second", lambda value: f"{value:,.0f}")),
        Row("Device", "", cells("device", str)),
    ]
    links = [str(timing.get("run_url") or "") for timing in timings]
    if any(link.startswith(("http://", "https://")) for link in links):
        web = [link if link.startswith(("http://", "https://")) else "" for link in links]
        rows.append(Row("MLflow run", "", [Cell("open", link=link) if link else missing for link in web]))
    return rows


def _metric(
    laboratory: Laboratory,
    label: str,
    metric: str,
    text: Callable[[float], str],
    note: Callable[[Model], str] = lambda model: "",
    ranked: bool = True,
) -> Row:
    best, unranked = rank(laboratory, metric) if ranked else ([], "")
    cells = []
    for model in laboratory.models:
        value = model.value(metric)
        cell = Cell(reason=model.reason(metric)) if value is None else Cell(text(value), note(model))
        cells.append(Cell(cell.text, cell.note, cell.reason, model.name in best))
    return Row(label, _unit(laboratory, metric, ranked), cells, unranked)


def _unit(laboratory: Laboratory, metric: str, ranked: bool) -> str:
    known = [model for model in laboratory.models if model.about(metric, "unit") is not None]
    unit = str(known[0].about(metric, "unit")) if known else ""
    direction = known[0].about(metric, "direction") if known else None
    better = {"lower": "↓ lower is better", "higher": "↑ higher is better"}.get(direction or "", "")
    if not ranked:
        better = "reference" if metric == PCA_MSE else "1 is perfect"
    return ", ".join(part for part in (unit, better) if part)


def _count(value: object) -> Cell:
    return Cell(f"{value:,}") if isinstance(value, int) else Cell(reason="not recorded")
