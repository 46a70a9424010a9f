"""The rows of the comparison: one per quantity, one cell per model, and the best value where that may be said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genlab.pages import duration, readable, significant
from genlab.report import ranking
from genlab.report.collect import Compared, Laboratory, Model

PRIOR, FITTED = "test/prior/frechet_distance", "test/fitted/frechet_distance"
MSE, SUBSET_MSE, PCA_MSE = (
    "test/reconstruction/mse",
    "test/reconstruction_subset/mse",
    "test/pca/mse",
)
NEGATIVE_ELBO, LIKELIHOOD = (
    "test/reconstruction/negative_elbo",
    "test/likelihood/negative_log_likelihood",
)
SIMILARITY = "test/reconstruction/structural_similarity"
ACTIVE = "test/reconstruction/active_units"
PROBE, PROBE_BARS = "linear_probe_accuracy", {"latent_pca": "PCA", "pixels": "pixels"}
INCEPTION, COLOUR = "_inception", 3
ENCODER, INVERSION = "encoder", "latent optimised (inversion)"


@dataclass(frozen=True)
class Cell:
    """What one model has of one quantity.

    Attributes:
        text: The rounded value; empty where there is none.
        interval: Its 95 % interval: `"4.1 to 4.3"`.
        note: What it is compared with: `"4.2 × floor"`.
        reason: Why there is no value.
        best: Whether no other model has a better one.
        link: An address that the note leads to.
    """

    text: str = ""
    interval: str = ""
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


def _share(value: float) -> str:
    return f"{value:.2f}"


SAMPLE_ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("/frechet_distance", "Fréchet distance", significant),
    (f"{INCEPTION}/frechet_distance", "Fréchet Inception distance", significant),
    ("/kernel_distance", "Kernel distance", significant),
    ("/precision", "Precision", _share),
    ("/recall", "Recall", _share),
    ("/smallest_class_share", "Smallest class share", _share),
    ("/largest_class_share", "Largest class share", _share),
)
"""The numbers of samples that the first table shows; `everything` has them all."""


def times_floor(model: Model, metric: str) -> float | None:
    """Returns a distance in units of what real images have to real ones, where there are both."""
    value, lowest = model.value(metric), model.floor(metric)
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
    return next(
        (str(method) for method in noted if method), ENCODER if model.encodes else INVERSION
    )


def groups(laboratory: Laboratory, links: Mapping[str, str]) -> list[Group]:
    """Returns the whole table; `links` has the address of each model's page, where there are pages."""
    found = [
        Group("Samples", _samples(laboratory)),
        Group("Reconstruction", _reconstruction(laboratory)),
        Group("Representation", _representation(laboratory)),
        Group("Model", _model(laboratory, links)),
        Group("Training", _training(laboratory)),
    ]
    return [group for group in found if group.rows]


def everything(laboratory: Compared) -> list[Group]:
    """Returns every number that was measured, by where it comes from; rows follow from the files alone."""
    found: dict[str, dict[str, None]] = {}
    for model in laboratory.models:
        for metric in model.scores["metrics"]:
            found.setdefault(metric.split("/")[1], {})[metric] = None
    return [
        Group(
            readable(source),
            [
                _metric(laboratory, readable(metric.split("/")[2]), metric, _four)
                for metric in metrics
            ],
        )
        for source, metrics in found.items()
    ]


def measured(model: Model) -> list[tuple[str, Cell, str, str]]:
    """Returns of one model per metric its name, value, unit and direction, and method."""
    return [
        (
            metric,
            _cell(model, metric, _four, against_floor(model, metric)),
            unit([model], metric),
            _method(model, metric),
        )
        for metric in sorted(model.scores["metrics"])
    ]


def _method(model: Model, metric: str) -> str:
    return str(model.about(metric, "method") or "")


def _four(value: float) -> str:
    return significant(value, 4)


def _samples(laboratory: Laboratory) -> list[Row]:
    """Returns the rows that any model has a value in; of colour images also that Inception was not measured."""
    colour = laboratory.dataset["image_shape"][-1] == COLOUR
    rows = []
    for source, what in (("prior", "prior samples"), ("fitted", "fitted-density samples")):
        for name, label, text in SAMPLE_ROWS:
            row = _metric(laboratory, f"{label}, {what}", f"test/{source}{name}", text)
            if any(cell.text for cell in row.cells) or (colour and name.startswith(INCEPTION)):
                rows.append(row)
    return rows


def _reconstruction(laboratory: Laboratory) -> list[Row]:
    def note(model: Model) -> str:
        relation = against_pca(model)
        return "" if relation is None else percent(relation, "PCA")

    return [
        _metric(laboratory, "Reconstruction MSE, all test images", MSE, significant, note),
        _metric(laboratory, "Reconstruction MSE, common subset", SUBSET_MSE, significant, made_by),
        _metric(laboratory, "PCA of the same latent size, MSE", PCA_MSE, significant),
        _metric(
            laboratory,
            "PSNR, all test images",
            "test/reconstruction/psnr",
            lambda value: f"{value:.2f}",
        ),
        _metric(
            laboratory,
            "Structural similarity, all test images",
            SIMILARITY,
            lambda value: f"{value:.3f}",
        ),
        _metric(
            laboratory, "Negative ELBO, unweighted", NEGATIVE_ELBO, lambda value: f"{value:,.1f}"
        ),
        _metric(laboratory, "Negative log-likelihood", LIKELIHOOD, lambda value: f"{value:,.1f}"),
        Row("Reconstructions made by", "", [Cell(made_by(model)) for model in laboratory.models]),
    ]


def _representation(laboratory: Laboratory) -> list[Row]:
    """Returns what the latent is worth beside PCA of its size and the pixels, and what is told from test images."""

    def bars(model: Model) -> str:
        values = {
            name: model.value(f"test/{source}/{PROBE}") for source, name in PROBE_BARS.items()
        }
        return ", ".join(
            f"{name} {_percent(value)}" for name, value in values.items() if value is not None
        )

    rows = [
        _metric(laboratory, "Linear probe of the latent", f"test/latent/{PROBE}", _percent, bars),
        _metric(
            laboratory,
            "Gain of pre-training on few labels",
            "test/few_labels/few_labels_gain",
            _percent,
        ),
        _metric(
            laboratory,
            "Outliers told, another data set",
            "test/outliers/auroc",
            lambda value: f"{value:.3f}",
        ),
        _metric(
            laboratory,
            "Outliers told, held-out classes",
            "test/held_out/auroc",
            lambda value: f"{value:.3f}",
        ),
    ]
    return [row for row in rows if any(cell.text for cell in row.cells)]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _model(laboratory: Laboratory, links: Mapping[str, str]) -> list[Row]:
    models = laboratory.models
    pages = (
        [Row("Page", "", [Cell(model.name, link=links[model.name]) for model in models])]
        if links
        else []
    )
    return [
        *pages,
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
        return [
            Cell(text(timing[key])) if timing.get(key) is not None else missing
            for timing in timings
        ]

    rows = [
        Row("Training time", "", cells("train_seconds", duration)),
        Row(
            "Training speed", "images/s", cells("images_per_second", lambda value: f"{value:,.0f}")
        ),
        Row("Device", "", cells("device", str)),
    ]
    links = [str(timing.get("run_url") or "") for timing in timings]
    if any(link.startswith(("http://", "https://")) for link in links):
        web = [link if link.startswith(("http://", "https://")) else "" for link in links]
        rows.append(
            Row("MLflow run", "", [Cell("open", link=link) if link else missing for link in web])
        )
    return rows


def _metric(
    laboratory: Compared,
    label: str,
    metric: str,
    text: Callable[[float], str],
    note: Callable[[Model], str] | None = None,
) -> Row:
    best, unranked = ranking.rank(laboratory, metric)
    foreign = ranking.refused(laboratory, metric)
    cells = []
    for model in laboratory.models:
        if model.value(metric) is None or model.name in foreign:
            cells.append(Cell(reason=foreign.get(model.name) or model.reason(metric)))
            continue
        said = note(model) if note else against_floor(model, metric)
        cells.append(_cell(model, metric, text, said, best=model.name in best))
    return Row(label, unit(laboratory.models, metric), cells, unranked)


def _cell(
    model: Model, metric: str, text: Callable[[float], str], note: str, best: bool = False
) -> Cell:
    value, interval = model.value(metric), model.about(metric, "interval")
    if value is None:
        return Cell(reason=model.reason(metric))
    span = " to ".join(map(text, interval)) if interval and interval[0] < interval[1] else ""
    return Cell(text(value), span, note, best=best)


def against_floor(model: Model, metric: str) -> str:
    """Returns what real images score: `"7.2 × floor, 0.38"` of a Fréchet distance, else `"real images: 0.98"`.

    Train images against test images; and halves of the test images, which are fewer, against each other.
    """
    lowest, ratio = model.floor(metric), times_floor(model, metric)
    if lowest is None:
        return ""
    halves = model.floor(metric, "floor_halves")
    both = significant(lowest) + (
        f"; halves of test: {significant(halves)}" if halves is not None else ""
    )
    if "frechet_distance" in metric and ratio is not None:
        return f"{significant(ratio, 2)} × floor, {both}"
    return f"real images: {both}"


def unit(models: Sequence[Model], metric: str) -> str:
    """Returns the metric's unit, and which direction is better."""
    known = [model for model in models if model.about(metric, "unit") is not None]
    name = str(known[0].about(metric, "unit")) if known else ""
    direction = known[0].about(metric, "direction") if known else None
    better = {"lower": "↓ lower is better", "higher": "↑ higher is better"}.get(direction or "", "")
    if metric.split("/")[1] in ranking.REFERENCES:
        better = "reference"
    return ", ".join(part for part in (name, better) if part)


def _count(value: object) -> Cell:
    return Cell(f"{value:,}") if isinstance(value, int) else Cell(reason="not recorded")
