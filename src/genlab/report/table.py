"""The table of all models: which scores are shown, under which names, rounded how."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from genlab.contract.comparison import differing
from genlab.pages import readable, significant
from genlab.report import cells, facts
from genlab.report.cells import DISTANCE, MSE, PCA_MSE, SEARCHED_MSE, Cell, Group, Row
from genlab.report.laboratory import Laboratory, ReportedModel
from genlab.report.ranking import Ranking, rank

PROBE = "linear_probe_accuracy"
BOUND = "negative_elbo_above_entropy"
LIKELIHOOD = "negative_log_likelihood_above_entropy"
SIMILARITY = "test/reconstruction/structural_similarity"
INCEPTION, COLOUR = "_inception", 3
SAMPLES = {
    "prior": "prior samples",
    "fitted": "fitted-density samples",
    "translation": "translations",
}
"""Names of samples by their source; other samples have the name of their source."""


class TableLine(NamedTuple):
    """How one metric is shown.

    Attributes:
        label: What it is called.
        metric: Its name; in a list for several sources only its end.
        text: Rounds a value.
        note: What a model's value is compared with; None: with the floor, if there is one.
    """

    label: str
    metric: str
    text: Callable[[float], str] = significant
    note: Callable[[ReportedModel], str] | None = None


def _four_digits(value: float) -> str:
    return significant(value, 4)


def _beside_pca(model: ReportedModel) -> str:
    relation = cells.against_pca(model)
    return "" if relation is None else cells.percent(relation, "PCA")


ONE, TWO, THREE, PERCENT = "{:,.1f}".format, "{:.2f}".format, "{:.3f}".format, "{:.1%}".format


def _bars(
    metric: str, text: Callable[[float], str], **names: str
) -> Callable[[ReportedModel], str]:
    """Returns what notes the metric of other sources; `names` has what each is called."""

    def note(model: ReportedModel) -> str:
        values = {name: model.value(f"test/{source}/{metric}") for source, name in names.items()}
        known = {name: value for name, value in values.items() if value is not None}
        return ", ".join(f"{name} {text(value)}" for name, value in known.items())

    return note


def _outlier_lines(source: str, kind: str) -> tuple[TableLine, TableLine]:
    bars = {"pca": "PCA", "entropy": "entropy", "ink": "ink"}
    note = _bars("auroc", THREE, **{f"{source}_{bar}": name for bar, name in bars.items()})
    by_error = TableLine(f"{kind}, told by error", f"test/{source}/auroc", THREE, note)
    by_bound = TableLine(f"{kind}, told by the bound", f"test/{source}_bound/auroc", THREE, note)
    return by_error, by_bound


SAMPLE_LINES = (
    TableLine("Fréchet distance", f"/{DISTANCE}"),
    TableLine("Fréchet Inception distance", f"{INCEPTION}/{DISTANCE}"),
    TableLine("Kernel distance", "/kernel_distance"),
    TableLine("Precision", "/precision", TWO),
    TableLine("Recall", "/recall", TWO),
    TableLine("Smallest class share", "/smallest_class_share", TWO),
    TableLine("Largest class share", "/largest_class_share", TWO),
)
"""Of each source of samples."""
TARGET_LINES = (
    TableLine("MSE", "/mse"),
    TableLine("PSNR", "/psnr", TWO),
    TableLine("Structural similarity", "/structural_similarity", THREE),
)
"""Of each source of images that have a target, apart from reconstructions: `translation`."""
RECONSTRUCTION_LINES = (
    TableLine("Reconstruction MSE, all test images", MSE, note=_beside_pca),
    TableLine("Reconstruction MSE by search, common subset", SEARCHED_MSE),
    TableLine("PCA of the same latent size, MSE", PCA_MSE),
    TableLine("PSNR, all test images", "test/reconstruction/psnr", TWO),
    TableLine("Structural similarity, all test images", SIMILARITY, THREE),
    TableLine("Negative ELBO above entropy", f"test/reconstruction/{BOUND}", ONE),
    TableLine("Negative log-likelihood above entropy", f"test/likelihood/{LIKELIHOOD}", ONE),
    TableLine("Negative ELBO, unweighted", "test/reconstruction/negative_elbo", ONE),
    TableLine("Negative log-likelihood", "test/likelihood/negative_log_likelihood", ONE),
)
PROBE_BARS = _bars(PROBE, PERCENT, latent_pca="PCA", pixels="pixels")
FEW_BARS = _bars(
    PROBE, PERCENT, few_labels_latent="regression on latents", few_labels_pixels="on pixels"
)
REPRESENTATION_LINES = (
    TableLine("Linear probe of the latent", f"test/latent/{PROBE}", PERCENT, PROBE_BARS),
    TableLine("Gain of pre-training on few labels", "test/few_labels/few_labels_gain", PERCENT),
    TableLine("Fine-tuned on few labels", "test/few_labels/fine_tuned_accuracy", PERCENT, FEW_BARS),
    *_outlier_lines("outliers", "Outliers"),
    *_outlier_lines("held_out", "Held-out classes"),
)


def groups(laboratory: Laboratory, links: Mapping[str, str]) -> list[Group]:
    """Returns the whole table; `links` has the address of each model's page, if there are any."""
    models, is_colour = laboratory.models, laboratory.dataset["image_shape"][-1] == COLOUR
    parts = [
        Group("Samples", _samples(models, is_colour)),
        Group("Reconstruction", _filled(models, RECONSTRUCTION_LINES) + _methods(models)),
        *_images_with_targets(models),
        Group("Representation", _filled(models, REPRESENTATION_LINES)),
        facts.about_models(models, links),
        facts.about_trainings([model.timings for model in models]),
    ]
    return [group for group in parts if group.rows]


def everything(models: Sequence[ReportedModel]) -> list[Group]:
    """Returns every number that was measured, by source."""
    by_source: dict[str, list[Row]] = {}
    for metric, source, name in _names(models):
        row = _row(models, TableLine(readable(name), metric, _four_digits))
        by_source.setdefault(source, []).append(row)
    return [Group(readable(source), rows) for source, rows in by_source.items()]


def measured(model: ReportedModel) -> list[tuple[str, Cell, str, str]]:
    """Returns metric, value, unit and method of each score."""
    rows = []
    for metric, score in sorted(model.scores.items()):
        cell = cells.cell(score, _four_digits, cells.against_floor(metric, score))
        rows.append((metric, cell, cells.unit(metric, score), score.method))
    return rows


def protocols(models: Sequence[ReportedModel]) -> dict[str, list[tuple[str, str]]]:
    """Returns per metric the keys and values of its protocol; where models differ, each one's."""
    metrics = sorted({metric for model in models for metric in model.scores})
    return {metric: _protocol(models, metric) for metric in metrics}


def sources_of_samples(models: Iterable[ReportedModel]) -> list[str]:
    """Returns the sources whose samples have a Fréchet distance, the prior first."""
    scored = [source for _, source, name in _names(models) if name == DISTANCE]
    sources = [source.removesuffix(INCEPTION) for source in scored]
    return sorted(set(sources), key=[*SAMPLES, *sources].index)


def name_of_samples(source: str) -> str:
    """Returns what samples of a source are called."""
    return SAMPLES.get(source, f"{readable(source).lower()} samples")


def _names(models: Iterable[ReportedModel]) -> list[tuple[str, str, str]]:
    """Returns per metric its whole name, its source and its own name."""
    metrics = dict.fromkeys(metric for model in models for metric in model.scores)
    return [(metric, *metric.split("/")[1:]) for metric in metrics]  # type: ignore[misc]


def _samples(models: Sequence[ReportedModel], is_colour: bool) -> list[Row]:
    """Returns the rows with values; of colour images the Inception distance in any case."""
    rows = []
    for source in sources_of_samples(models):
        for line in _of_source(source, SAMPLE_LINES, f", {name_of_samples(source)}"):
            row = _row(models, line)
            if _has_values(row) or (is_colour and INCEPTION in line.metric):
                rows.append(row)
    return rows


def _images_with_targets(models: Sequence[ReportedModel]) -> list[Group]:
    known = {metric.split("/")[1] for metric in (MSE, SEARCHED_MSE, PCA_MSE)}
    sources = [source for _, source, name in _names(models) if name == "mse"]
    return [
        Group(readable(source), _filled(models, _of_source(source, TARGET_LINES)))
        for source in sources
        if source not in known
    ]


def _of_source(source: str, lines: Iterable[TableLine], ending: str = "") -> list[TableLine]:
    return [
        TableLine(label + ending, f"test/{source}{name}", text) for label, name, text, _ in lines
    ]


def _filled(models: Sequence[ReportedModel], lines: Iterable[TableLine]) -> list[Row]:
    """Returns the rows in which any model has a value."""
    rows = [_row(models, line) for line in lines]
    return [row for row in rows if _has_values(row)]


def _has_values(row: Row) -> bool:
    return any(cell.text for cell in row.cells)


def _row(models: Sequence[ReportedModel], line: TableLine) -> Row:
    ranking = rank(models, line.metric)
    scores = [model.scores[line.metric] for model in models if line.metric in model.scores]
    unit = cells.unit(line.metric, scores[0]) if scores else ""
    row = [_cell(model, line, ranking) for model in models]
    return Row(line.label, unit, row, ranking.unranked)


def _cell(model: ReportedModel, line: TableLine, ranking: Ranking) -> Cell:
    score = model.scores.get(line.metric)
    if score is None or model.name in ranking.refused:
        return Cell(reason=ranking.refused.get(model.name) or model.reason(line.metric))
    note = line.note(model) if line.note else cells.against_floor(line.metric, score)
    return cells.cell(score, line.text, note, model.name in ranking.best)


def _methods(models: Sequence[ReportedModel]) -> list[Row]:
    methods = [cells.made_by(model) for model in models]
    made = [Cell(method) if method else Cell(reason="no reconstructions") for method in methods]
    return [Row("Reconstructions made by", "", made)] if any(methods) else []


def _protocol(models: Sequence[ReportedModel], metric: str) -> list[tuple[str, str]]:
    by_model = {m.name: m.scores[metric].protocol for m in models if metric in m.scores}
    different = differing(by_model)
    values: dict[str, Any] = {}
    for protocol in by_model.values():
        values = protocol | values
    for key, differences in different.items():
        values[key] = "; ".join(f"{name}: {value}" for name, value in differences.items())
    return [(key, str(value)) for key, value in sorted(values.items())]
