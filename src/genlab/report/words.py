"""The comparison in sentences. They follow from the numbers alone; weak results are called weak."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from genlab.contract import findings
from genlab.contract.findings import FAR_FROM_FLOOR, FEWEST, NEAR_FLOOR
from genlab.pages import significant
from genlab.report import caveats, cells, table
from genlab.report.cells import DISTANCE, MSE, SEARCHED_MSE
from genlab.report.laboratory import Laboratory, ReportedModel
from genlab.report.ranking import FEW_IMAGES, Ranking, rank

ONE_TRAINING = (
    "Each model was trained once. The intervals do not hold what another training of the same "
    "settings would change: that can be more than the difference of two models."
)
FEW_TRAININGS = 3
ACTIVE = "test/reconstruction/active_units"


class Statement(NamedTuple):
    """One finding: what it is about, the sentences, and whether they are `plain` or `weak`."""

    topic: str
    text: str
    tone: str = "plain"


def warning(laboratory: Laboratory) -> str:
    """Returns why models cannot be ranked by Fréchet distance here; empty where they can."""
    if laboratory.num_real >= FEW_IMAGES:
        return ""
    return (
        "Too few test images to rank models by Fréchet distance: there are "
        f"{laboratory.num_real:,} real ones in {laboratory.feature_dim} feature dimensions. "
        "A covariance estimated from so few images is so uncertain that bias dominates the "
        "distance: read it as a smoke test, and compare models on a larger data set."
    )


def validation(checks: Sequence[Mapping[str, Any]]) -> str:
    """Returns how many checks of the data passed, warned and failed."""
    failed = [check for check in checks if not check.get("success")]
    warned = sum(check.get("severity") == "warning" for check in failed)
    parts = [f"{len(checks) - len(failed)} of {len(checks)} checks passed"]
    parts += [f"{warned} warned"] if warned else []
    parts += [f"{len(failed) - warned} failed"] if len(failed) > warned else []
    return "; ".join(parts) + "."


def summary(laboratory: Laboratory) -> list[Statement]:
    """Returns the findings: samples, reconstructions, weak results."""
    sources = table.sources_of_samples(laboratory.models)
    statements = [
        Statement("Spread", _spread(laboratory.models)),
        *(_samples(laboratory, source) for source in sources),
        *(_kernel(laboratory, source) for source in sources),
        _reconstruction(laboratory),
        _by_search(laboratory),
        *(_weak(model) for model in laboratory.models),
    ]
    return [statement for statement in statements if statement.text]


def about(laboratory: Laboratory, model: ReportedModel) -> list[Statement]:
    """Returns the findings on one model: its place among the others, and what is weak."""
    statements = []
    for source in table.sources_of_samples([model]):
        metric = f"test/{source}/{DISTANCE}"
        text = f"Fréchet distance {_distance(model, metric)}{_place(laboratory, model, metric)}."
        statements.append(Statement(_topic(source), text))
    if MSE in model.scores:
        text = f"Error {_error(model, 'PCA of the same latent size')}"
        statements.append(Statement("Reconstruction", f"{text}{_place(laboratory, model, MSE)}."))
    weak = _weak(model)
    return [*statements, weak] if weak.text else statements


def join(parts: Iterable[str]) -> str:
    """Returns `"a, b and c"`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _spread(models: Sequence[ReportedModel]) -> str:
    """Returns how often the models were trained, and what the intervals hold."""
    numbers = {model.num_trainings for model in models}
    if numbers == {1}:
        return ONE_TRAINING
    counts = join(str(number) for number in sorted(numbers))
    text = f"Each model was trained {counts} times: values are means, intervals over trainings."
    return f"{text} Fewer than three say little." if min(numbers) < FEW_TRAININGS else text


def _named(model: ReportedModel) -> str:
    return model.name if model.num_trainings > 1 else f"This training of {model.name}"


def _place(laboratory: Laboratory, model: ReportedModel, metric: str) -> str:
    """Returns the model's place among those it may be compared with: `", the best of 3 models"`."""
    ranking = rank(laboratory.models, metric)
    if model.name in ranking.refused:
        return f"; not compared, because it was {ranking.refused[model.name]}"
    if ranking.unranked:
        return f"; not ranked, because {ranking.unranked}"
    if not ranking.best:
        return ""
    is_one = len(ranking.best) == 1
    if model.name not in ranking.best:
        return f"; {join(ranking.best)} {'is' if is_one else 'are'} better"
    what = "trainings" if model.num_trainings == 1 else "models"
    best = f"the best of these {len(ranking.models)} {what}"
    return f", {best}" if is_one else f", not told apart from {best}"


def _lead(ranking: Ranking, what: str, describe: Callable[[ReportedModel], str]) -> str:
    """Returns which model leads, if that may be said, and the value of every model."""
    values = {model.name: f"{model.name} {describe(model)}" for model in ranking.models}
    if ranking.unranked:
        return f"Not ranked, because {ranking.unranked}. Measured: {join(values.values())}."
    if not ranking.best:
        return f"{'Only ' if len(values) == 1 else ''}{join(values.values())}." if values else ""
    leaders = [values.pop(name) for name in ranking.best]
    text = f"{join(leaders)} are not told apart as to the {what}: {_why_not(ranking)}."
    if len(leaders) == 1:
        first = ranking.models[0]
        text = f"{_named(first)} has the {what}, {describe(first)}."
    return f"{text} Then {join(values.values())}." if values else text


def _why_not(ranking: Ranking) -> str:
    """Returns why the best models are not told apart."""
    first, *others = ranking.best
    if not (told := [name for name in others if name in ranking.disputed]):
        return "their intervals overlap"
    texts = [f"{name} is not worse for {join(ranking.disputed[name])}" for name in told]
    return f"{first} has the best mean over the judges, but {join(texts)}"


def _sentence(parts: Sequence[str]) -> str:
    text = join(parts) if parts else ""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _topic(source: str) -> str:
    return table.name_of_samples(source).capitalize()


def _samples(laboratory: Laboratory, source: str) -> Statement:
    metric = f"test/{source}/{DISTANCE}"
    ranking = rank(laboratory.models, metric)
    text = _lead(ranking, "smallest Fréchet distance", lambda model: _distance(model, metric))
    scores = [model.scores[metric] for model in laboratory.models if metric in model.scores]
    floors = {significant(score.floor["floor"].value) for score in scores if "floor" in score.floor}
    if floors:
        text += f" The floor, real images against real images, is {join(sorted(floors))}."
    return Statement(_topic(source), text)


def _kernel(laboratory: Laboratory, source: str) -> Statement:
    text = caveats.of_kernel_distance(laboratory.models, source)
    return Statement(f"{_topic(source)}, kernel distance", text)


def _distance(model: ReportedModel, metric: str) -> str:
    score = model.scores[metric]
    value, ratio = significant(score.value), cells.times_floor(score)
    if ratio is None:
        return value
    verdict = ", near it" if ratio <= NEAR_FLOOR else ", weak" if ratio > FAR_FROM_FLOOR else ""
    return f"{value} ({significant(ratio, 2)} times the floor{verdict})"


def _error(model: ReportedModel, baseline: str) -> str:
    """Returns the reconstruction error, and how it compares with `baseline`."""
    value, relation = f"{significant(model.scores[MSE].value)} per pixel", cells.against_pca(model)
    return value if relation is None else f"{value} ({cells.percent(relation, baseline)})"


def _reconstruction(laboratory: Laboratory) -> Statement:
    def describe(model: ReportedModel) -> str:
        return _error(model, f"PCA with {model.latent_dim} components")

    what = "smallest reconstruction error on all test images"
    return Statement("Reconstruction", _lead(rank(laboratory.models, MSE), what, describe))


def _by_search(laboratory: Laboratory) -> Statement:
    def describe(model: ReportedModel) -> str:
        return significant(model.scores[SEARCHED_MSE].value)

    ranking = rank(laboratory.models, SEARCHED_MSE)
    what = "smallest reconstruction error by search on the common subset"
    text = _lead(ranking, what, describe) if len(ranking.models) > 1 else ""
    return Statement("Reconstruction by search", text)


def _weak(model: ReportedModel) -> Statement:
    """Returns the results that are poor, whatever the ranking says; no text if there are none."""
    sources = table.sources_of_samples([model])
    texts = [text for source in sources for text in _weak_samples(model, source)]
    texts += [*_weak_reconstructions(model), *_unused(model)]
    return Statement(f"Weak: {model.name}", _sentence(texts), "weak")


def _weak_samples(model: ReportedModel, source: str) -> list[str]:
    samples = table.name_of_samples(source)
    return [f"{samples} {text}" for text in findings.of_samples(model.scores, source)]


def _weak_reconstructions(model: ReportedModel) -> list[str]:
    relation = cells.against_pca(model)
    if relation is None or relation < 0:
        return []
    beside = cells.percent(relation, "it")
    return [f"reconstructions are no better than those of PCA of the same latent size ({beside})"]


def _unused(model: ReportedModel) -> list[str]:
    active, size = model.value(ACTIVE), model.latent_dim
    if active is None or size is None or active >= size * FEWEST:
        return []
    return [f"only {active:.0f} of {size} latent dimensions are in use"]
