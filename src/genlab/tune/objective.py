"""What a trial is judged by: one metric, a weighted sum, or several, on validation images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from genlab.contract.evidence import Measure, Reconstructions
from genlab.contract.steps import Model
from genlab.evaluation.sources import sources as sources_of
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.plugins import nearest

TRAIN_SECONDS = "train_seconds"
"""An objective that is no metric: how long the training took."""
RECONSTRUCTION_LOSS = "reconstruction_loss"
SPLITS = ("validation", "test")
LOSS_WEIGHT = "_weight"
"""How the name of a loss term's weight ends."""


class Unmeasured(ValueError):  # noqa: N818 - concerns one trial
    """A metric of the objective has no value for a trial."""


@dataclass(frozen=True)
class Term:
    """One metric of an objective: its address among the scores has `{split}` to fill in."""

    metric: str
    address: str
    weight: float
    measure: Measure
    is_reconstruction: bool

    def of(self, values: Mapping[str, float], split: str) -> float:
        """Returns the metric's value on a split, or raises `Unmeasured`."""
        address = self.address.format(split=split)
        if address not in values:
            raise Unmeasured(f"{self.metric} has no value on the {split} images")
        if not math.isfinite(values[address]):
            raise Unmeasured(f"{self.metric} is {values[address]} on the {split} images")
        return values[address]


@dataclass(frozen=True)
class Objective:
    """One metric, or a weighted sum that is to be low; metrics to be high count negative in it."""

    terms: tuple[Term, ...]

    @property
    def name(self) -> str:
        """For people: `frechet_distance`, or `1 frechet_distance + 10 mse`."""
        if len(self.terms) == 1 and self.terms[0].weight == 1:
            return self.terms[0].metric
        return " + ".join(f"{term.weight:g} {term.metric}" for term in self.terms)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna calls it."""
        is_high = len(self.terms) == 1 and self.terms[0].measure.direction == "higher"
        return "maximize" if is_high else "minimize"

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits on which it is judged; one is enough for a time, which needs no images."""
        needs_images = any("{split}" in term.address for term in self.terms)
        return SPLITS if needs_images else SPLITS[:1]

    @property
    def sign(self) -> int:
        """1 if lower is better, -1 if higher is."""
        return 1 if self.direction == "minimize" else -1

    def of(self, values: Mapping[str, float], split: str = "validation") -> float:
        """Returns the objective's value on a split, or raises `Unmeasured`.

        `values` are by name: `validation/prior/frechet_distance`, `train_seconds`.
        """
        if len(self.terms) == 1:
            return self.terms[0].weight * self.terms[0].of(values, split)
        signs = {"lower": 1, "higher": -1}
        return sum(
            signs[term.measure.direction] * term.weight * term.of(values, split)
            for term in self.terms
        )


def read(
    wanted: Any, model: Model, kind: str, entries: Mapping[str, Mapping[str, Any]], where: str
) -> list[Objective]:
    """Returns the objectives; several of them have a Pareto front.

    Args:
        wanted: A metric's name, `{name: weight}`, or a list of these.
        model: Its capabilities decide where a metric is measured.
        kind: Its chapter.
        entries: `params.yaml: evaluation.metrics`.
        where: For errors: `"params.yaml: tune.vae.objective"`.

    Raises:
        InputError: A metric is unknown, has no better direction, or the model cannot give it.
    """
    known = _known(model, entries)
    parts = wanted if isinstance(wanted, list) else [wanted]
    weights = [part if isinstance(part, Mapping) else {part: 1.0} for part in parts]
    objectives = [
        Objective(tuple(_term(name, weight, known, kind, where) for name, weight in part.items()))
        for part in weights
    ]
    if not objectives or not all(objective.terms for objective in objectives):
        raise InputError(f"{where} must name at least one metric", "none", f"See {where}")
    names = [objective.name for objective in objectives]
    if len(set(names)) < len(names):
        raise InputError(
            f"{where} must name different objectives", ", ".join(names), f"See {where}"
        )
    return objectives


def check_honest(objectives: Sequence[Objective], searched: Sequence[str], where: str) -> None:
    """Checks that a search for loss weights is not judged by reconstruction errors alone.

    It would set the weight of every other term to zero.

    Raises:
        InputError: It is.
    """
    terms = [term for objective in objectives for term in objective.terms]
    judging = [term for term in terms if term.metric != TRAIN_SECONDS]
    weights = [key for key in searched if key.endswith(LOSS_WEIGHT)]
    if weights and judging and all(term.is_reconstruction for term in judging):
        raise InputError(
            "the objective must not be a reconstruction error alone while "
            f"{', '.join(weights)} is searched: the best weight of every other term would be 0",
            ", ".join(term.metric for term in judging),
            f"Add frechet_distance or negative_elbo. See {where}",
        )


def metrics(objectives: Sequence[Objective]) -> list[str]:
    """Returns the names of all metrics, each once."""
    return list(dict.fromkeys(term.metric for objective in objectives for term in objective.terms))


def _known(model: Model, entries: Mapping[str, Any]) -> dict[str, Term]:
    """Returns the terms that the model can give, of weight 1, by the metric's name."""
    sources = sources_of(model)
    clock = Measure("s", "lower", "the clock")
    terms = {TRAIN_SECONDS: Term(TRAIN_SECONDS, TRAIN_SECONDS, 1.0, clock, False)}
    for name in entries:
        module = plugins.find("metrics", name, "params.yaml: evaluation.metrics")
        if module.NEEDS in sources:
            for metric, measure in module.MEASURES.items():
                rebuilt = module.NEEDS is Reconstructions or metric == RECONSTRUCTION_LOSS
                address = f"{{split}}/{sources[module.NEEDS]}/{metric}"
                terms[metric] = Term(metric, address, 1.0, measure, rebuilt)
    return terms


def _term(name: str, weight: float, known: Mapping[str, Term], kind: str, where: str) -> Term:
    if name not in known:
        raise InputError(
            f"{where} must name metrics that a model of kind {kind} gives{nearest(name, known)}",
            f"{name!r}",
            f"Known: {', '.join(known)}. See {where}",
        )
    if known[name].measure.direction == "none":
        raise InputError(
            f"{where} must name metrics that can be better or worse", f"{name!r}", f"See {where}"
        )
    if not 0 < weight < math.inf:
        raise InputError(
            f"the weight of {name} must be above 0, and finite", f"{weight:g}", f"See {where}"
        )
    return replace(known[name], weight=float(weight))
