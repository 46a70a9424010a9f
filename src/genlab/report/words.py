"""The comparison in sentences, computed from the numbers alone; weak results are called weak."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genlab.report import ranking, table
from genlab.report.collect import Laboratory, Model

NEAR_FLOOR, FAR_FROM_FLOOR = 2.0, 10.0
FEWEST, MOST = 0.5, 1.5


@dataclass(frozen=True)
class Statement:
    """One finding.

    Attributes:
        topic: What it is about.
        text: The sentences.
        tone: `plain` or `weak`.
    """

    topic: str
    text: str
    tone: str = "plain"


def warning(laboratory: Laboratory) -> str:
    """Returns why models cannot be ranked by Fréchet distance on this data set, or nothing where they can."""
    if laboratory.num_real >= ranking.FEW_IMAGES:
        return ""
    return (
        f"Too few test images to rank models by Fréchet distance: there are {laboratory.num_real:,} real ones in "
        f"{laboratory.feature_dim} feature dimensions. A covariance estimated from so few images is so uncertain that "
        "bias dominates the distance: read it as a smoke test, and compare models on a larger data set."
    )


def validation(checks: Sequence[Mapping[str, Any]]) -> str:
    """Returns how many checks of the data passed, warned and failed."""
    failed = [check for check in checks if not check.get("success")]
    warned = sum(check.get("severity") == "warning" for check in failed)
    parts = [
        f"{number} {what}"
        for number, what in ((warned, "warned"), (len(failed) - warned, "failed"))
        if number
    ]
    return "; ".join([f"{len(checks) - len(failed)} of {len(checks)} checks passed", *parts]) + "."


def summary(laboratory: Laboratory) -> list[Statement]:
    """Returns the findings: samples, reconstructions, weak results, what is missing."""
    statements = [
        _frechet(laboratory, "Prior samples", table.PRIOR),
        _frechet(laboratory, "Fitted-density samples", table.FITTED),
        _reconstruction(laboratory),
        _subset(laboratory),
        *_weak(laboratory),
    ]
    return [statement for statement in statements if statement is not None]


def about(laboratory: Laboratory, model: Model) -> list[Statement]:
    """Returns the findings on one model: its place among the others, and what is weak."""
    statements = []
    for topic, metric in (
        ("Prior samples", table.PRIOR),
        ("Fitted-density samples", table.FITTED),
    ):
        if model.value(metric) is not None:
            text = f"Fréchet distance {_distance(model, metric)}{_rank(laboratory, model, metric)}."
            statements.append(Statement(topic, text))
    if model.value(table.MSE) is not None:
        relation = table.against_pca(model)
        beside = (
            ""
            if relation is None
            else f" ({table.percent(relation, 'PCA of the same latent size')})"
        )
        text = f"Error {table.significant(model.value(table.MSE) or 0.0)} per pixel{beside}"
        statements.append(
            Statement("Reconstruction", f"{text}{_rank(laboratory, model, table.MSE)}.")
        )
    return statements + [each for each in _weak(laboratory) if each.topic == f"Weak: {model.name}"]


def _rank(laboratory: Laboratory, model: Model, metric: str) -> str:
    """Returns the model's place among those that may be compared: `", the best of 3 models"`."""
    best, unranked = ranking.rank(laboratory, metric)
    count = len(_measured(laboratory, metric))
    if unranked:
        return f"; not ranked, because {unranked}"
    if model.name not in best:
        return (
            f"; {join(best)} is better"
            if len(best) == 1
            else f"; {join(best)} are better"
            if best
            else ""
        )
    return (
        f", the best of {count} models"
        if len(best) == 1
        else f", not told apart from the best of {count} models"
    )


def _distance(model: Model, metric: str) -> str:
    ratio = table.times_floor(model, metric)
    value = table.significant(model.value(metric) or 0.0)
    return (
        value
        if ratio is None
        else f"{value} ({table.significant(ratio, 2)} times the floor{_judge(ratio)})"
    )


def join(parts: list[str]) -> str:
    """Returns `"a, b and c"`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _measured(laboratory: Laboratory, metric: str) -> list[Model]:
    foreign = ranking.refused(laboratory, metric)
    models = [
        model
        for model in laboratory.models
        if model.value(metric) is not None and model.name not in foreign
    ]
    sign = -1 if any(model.about(metric, "direction") == "higher" for model in models) else 1
    return sorted(models, key=lambda model: sign * (model.value(metric) or 0.0))


def _lead(laboratory: Laboratory, metric: str, what: str, describe: Callable[[Model], str]) -> str:
    """Says which model leads where that may be said, and gives the value of every model."""
    models = _measured(laboratory, metric)
    best, unranked = ranking.rank(laboratory, metric)
    values = [f"{model.name} {describe(model)}" for model in models]
    if best:
        leaders = [value for model, value in zip(models, values, strict=True) if model.name in best]
        head = f"{best[0]} has the {what}, {describe(models[0])}."
        if len(best) > 1:
            head = f"{join(leaders)} are not told apart as to the {what}: their intervals overlap."
        others = [
            value for model, value in zip(models, values, strict=True) if model.name not in best
        ]
        return head + (f" Then {join(others)}." if others else "")
    if unranked:
        return f"Not ranked, because {unranked}. Measured: {join(values)}."
    return f"Only {values[0]}." if len(values) == 1 else f"{join(values)}."


def _frechet(laboratory: Laboratory, topic: str, metric: str) -> Statement | None:
    if not _measured(laboratory, metric):
        return None

    text = _lead(
        laboratory, metric, "smallest Fréchet distance", lambda model: _distance(model, metric)
    )
    lowest = {model.floor(metric) for model in laboratory.models} - {None}
    known = sorted(table.significant(value) for value in lowest if value is not None)
    floors = f" The floor, real images against real images, is {join(known)}." if known else ""
    return Statement(topic, text + floors)


def _judge(ratio: float) -> str:
    return ", near it" if ratio <= NEAR_FLOOR else ", weak" if ratio > FAR_FROM_FLOOR else ""


def _reconstruction(laboratory: Laboratory) -> Statement | None:
    if not _measured(laboratory, table.MSE):
        return None

    def describe(model: Model) -> str:
        relation = table.against_pca(model)
        latent = model.setting("latent_dim")
        components = f" with {latent} components" if isinstance(latent, int) else ""
        value = f"{table.significant(model.value(table.MSE) or 0.0)} per pixel"
        return (
            value
            if relation is None
            else f"{value} ({table.percent(relation, 'PCA' + components)})"
        )

    text = _lead(
        laboratory, table.MSE, "smallest reconstruction error on all test images", describe
    )
    return Statement("Reconstruction", text)


def _subset(laboratory: Laboratory) -> Statement | None:
    models = _measured(laboratory, table.SUBSET_MSE)
    if len(models) < 2:
        return None

    def describe(model: Model) -> str:
        value = table.significant(model.value(table.SUBSET_MSE) or 0.0)
        return f"{value} ({'encoder' if model.encodes else 'inversion'})"

    text = _lead(
        laboratory, table.SUBSET_MSE, "smallest reconstruction error on the common subset", describe
    )
    return Statement("Reconstruction, common subset", text)


def _weak(laboratory: Laboratory) -> list[Statement]:
    """Names results that a reader should not be proud of, whatever the ranking says."""
    found = {
        model.name: [*_weak_samples(laboratory, model), *_weak_pca(model), *_unused(model)]
        for model in laboratory.models
    }
    return [
        Statement(f"Weak: {name}", _sentence(join(texts)), "weak")
        for name, texts in found.items()
        if texts
    ]


def _weak_samples(laboratory: Laboratory, model: Model) -> list[str]:
    texts = []
    for metric, source in ((table.PRIOR, "prior"), (table.FITTED, "fitted-density")):
        ratio = table.times_floor(model, metric)
        if ratio is not None and ratio > FAR_FROM_FLOOR:
            texts.append(
                f"{source} samples are far from the data ({table.significant(ratio, 2)} times the floor)"
            )
        smallest, largest = (
            model.value(f"test/{metric.split('/')[1]}/{size}_class_share")
            for size in ("smallest", "largest")
        )
        if smallest is not None and smallest < FEWEST:
            texts.append(
                f"{source} samples neglect a class (the rarest has {smallest:.2f} of its share)"
            )
        if largest is not None and largest > MOST:
            texts.append(
                f"{source} samples favour a class (the commonest has {largest:.2f} times its share)"
            )
    return texts


def _weak_pca(model: Model) -> list[str]:
    relation = table.against_pca(model)
    if relation is None or relation < 0:
        return []
    return [
        f"reconstructions are no better than those of PCA of the same latent size ({table.percent(relation, 'it')})"
    ]


def _unused(model: Model) -> list[str]:
    active, latent_dim = model.value(table.ACTIVE), model.setting("latent_dim")
    if active is None or not isinstance(latent_dim, int) or active >= latent_dim * FEWEST:
        return []
    return [f"only {active:.0f} of {latent_dim} latent dimensions are in use"]
