"""What a trial is judged by: one metric, a weighted sum, or several; always measured on validation images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from genlab.contract.capabilities import Encodes, Generates, HasLikelihood, HasPosterior
from genlab.measurement.evidence import (
    EvidenceBound,
    ImportanceWeights,
    Measure,
    Reconstructions,
    Samples,
)
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.plugins import nearest

TRAIN_SECONDS = "train_seconds"
"""An objective that no metric gives: how long the training took."""
TIME = Measure("s", "lower", "the clock")
LOSS_WEIGHT = "_weight"
"""How the name of a loss term's weight ends."""


class Unmeasured(ValueError):  # noqa: N818 - of one trial
    """A metric of the objective has no value for a trial."""


@dataclass(frozen=True)
class Term:
    """One metric of an objective: its name, and its address in the scores, with `{split}` to be filled in."""

    metric: str
    address: str
    weight: float
    measure: Measure
    is_reconstruction: bool

    def of(self, values: Mapping[str, float], split: str) -> float:
        """Returns the metric's value on a split.

        Raises:
            Unmeasured: There is none, or it is no finite number.
        """
        address = self.address.format(split=split)
        if address not in values:
            raise Unmeasured(f"{self.metric} has no value on the {split} images")
        if not math.isfinite(values[address]):
            raise Unmeasured(f"{self.metric} is {values[address]} on the {split} images")
        return values[address]


@dataclass(frozen=True)
class Objective:
    """One metric, or a weighted sum that is to be low (metrics that are to be high count negative)."""

    terms: tuple[Term, ...]

    @property
    def name(self) -> str:
        """For people: `frechet_distance`, or `frechet_distance + 10 mse`."""
        if len(self.terms) == 1 and self.terms[0].weight == 1:
            return self.terms[0].metric
        return " + ".join(f"{term.weight:g} {term.metric}" for term in self.terms).replace(
            "+ -", "- "
        )

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """`minimize` or `maximize`, as Optuna calls it."""
        return (
            "maximize"
            if len(self.terms) == 1 and self.terms[0].measure.direction == "higher"
            else "minimize"
        )

    def of(self, values: Mapping[str, float], split: str = "validation") -> float:
        """Returns the objective's value.

        Args:
            values: By name: `validation/prior/frechet_distance`, `train_seconds`.
            split: Measured on.

        Raises:
            Unmeasured: A metric has no value.
        """
        if len(self.terms) == 1:
            return self.terms[0].weight * self.terms[0].of(values, split)
        signs = {"lower": 1, "higher": -1}
        return sum(
            signs[term.measure.direction] * term.weight * term.of(values, split)
            for term in self.terms
        )


def read(
    wanted: Any, model: Any, kind: str, entries: Mapping[str, Mapping[str, Any]], where: str
) -> list[Objective]:
    """Returns the objectives: one, or several of a Pareto front.

    Args:
        wanted: A metric's name, `{name: weight}`, or a list of these.
        model: The built model: what it can do decides where a metric is measured.
        kind: Its chapter.
        entries: `params.yaml: evaluation.metrics`.
        where: For errors: `"params.yaml: tune.vae.objective"`.

    Raises:
        InputError: A metric is unknown, has no better direction, or is none that the model can give.
    """
    parts: Sequence[Any] = wanted if isinstance(wanted, list) else [wanted]
    known = _known(model, entries)
    found = [Objective(tuple(_terms(part, known, kind, where))) for part in parts]
    if not all(objective.terms for objective in found) or not found:
        raise InputError(
            f"{where} must name at least one metric",
            "none",
            f"See {where}",
        )
    names = [objective.name for objective in found]
    if len(set(names)) < len(names):
        raise InputError(
            f"{where} must name different objectives",
            str(", ".join(names)),
            f"See {where}",
        )
    return found


def check_honest(objectives: Sequence[Objective], searched: Sequence[str], where: str) -> None:
    """Refuses reconstruction errors alone as objective of a search for loss weights: it would drive others to zero.

    Raises:
        InputError: It is so.
    """
    terms = [
        term for objective in objectives for term in objective.terms if term.metric != TRAIN_SECONDS
    ]
    weights = [key for key in searched if key.endswith(LOSS_WEIGHT)]
    if weights and terms and all(term.is_reconstruction for term in terms):
        raise InputError(
            f"the objective must not be a reconstruction error alone while {', '.join(weights)} is searched: it would take the weight of every other term away",
            str(", ".join(term.metric for term in terms)),
            f"Add frechet_distance or negative_elbo. See {where}",
        )


def metrics(objectives: Sequence[Objective]) -> list[str]:
    """Returns the names of all metrics, each once."""
    return list(dict.fromkeys(term.metric for objective in objectives for term in objective.terms))


def _sources(model: Any) -> dict[type, str]:
    """Returns where evidence of each kind comes from; kinds that the model cannot give are not there."""
    found: dict[type, str] = {}
    if isinstance(model, Generates):
        found[Samples] = "prior"
    elif isinstance(model, Encodes):
        found[Samples] = "fitted"
    found[Reconstructions] = (
        "reconstruction" if isinstance(model, Encodes) else "reconstruction_subset"
    )
    if isinstance(model, HasPosterior):
        found[EvidenceBound] = "reconstruction"
    if isinstance(model, HasLikelihood):
        found[ImportanceWeights] = "likelihood"
    return found


def _known(model: Any, entries: Mapping[str, Any]) -> dict[str, Term | None]:
    """Returns the terms by the metric's name, of weight 1; None where the model cannot give it."""
    sources, found = _sources(model), dict[str, Term | None]()
    for name in entries:
        module = plugins.find("metrics", name, "params.yaml: evaluation.metrics")
        if module.NEEDS not in (Samples, Reconstructions, EvidenceBound, ImportanceWeights):
            continue
        source = sources.get(module.NEEDS)
        for metric, measure in module.MEASURES.items():
            rebuilt = module.NEEDS is Reconstructions or metric == "reconstruction_loss"
            found[metric] = (
                Term(metric, f"{{split}}/{source}/{metric}", 1.0, measure, rebuilt)
                if source
                else None
            )
    return found | {TRAIN_SECONDS: Term(TRAIN_SECONDS, TRAIN_SECONDS, 1.0, TIME, False)}


def _terms(part: Any, known: Mapping[str, Term | None], kind: str, where: str) -> list[Term]:
    weights = part if isinstance(part, Mapping) else {part: 1.0}
    return [_term(str(name), float(weight), known, kind, where) for name, weight in weights.items()]


def _term(
    name: str, weight: float, known: Mapping[str, Term | None], kind: str, where: str
) -> Term:
    if name not in known:
        raise InputError(
            f"{where} must name metrics{nearest(name, known)}",
            f"{name!r}",
            f"Known: {', '.join(known)}. See {where}",
        )
    term = known[name]
    if term is None:
        can = ", ".join(metric for metric, there in known.items() if there)
        raise InputError(
            f"{where} must name metrics that a model of kind {kind} gives ({can})",
            f"{name!r}",
            f"See {where}",
        )
    if term.measure.direction == "none":
        raise InputError(
            f"{where} must name metrics that can be better or worse",
            f"{name!r}",
            f"See {where}",
        )
    if not 0 < weight < math.inf:
        raise InputError(
            f"the weight of {name} must be above 0, and finite",
            f"{weight:g}",
            f"See {where}",
        )
    return Term(term.metric, term.address, weight, term.measure, term.is_reconstruction)
