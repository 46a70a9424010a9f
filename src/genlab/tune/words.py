"""What a search has found in sentences, computed from the numbers alone; weak results are called weak."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from genlab.pages import significant
from genlab.settings import plugins
from genlab.tune.confirm import (
    PRESENT,
    Confirmation,
    Difference,
    difference,
    differences,
    metrics_of,
)
from genlab.tune.objective import TRAIN_SECONDS
from genlab.tune.plan import Plan
from genlab.tune.study import REASON

FEW_TRIALS, FEW_SEEDS, MANY_FAILED, EDGE = 10, 5, 0.25, 0.02
"""Below so many complete trials little was searched; up to so many seeds a spread is rough; and so on."""
REFERENCE = "pca"
"""Numbers of this source are not the model's."""


@dataclass(frozen=True)
class Statement:
    """One finding: what it is about, the sentences, and whether it is `plain` or `weak`."""

    topic: str
    text: str
    tone: str = "plain"


def findings(plan: Plan, trials: Sequence[FrozenTrial], found: Confirmation) -> list[Statement]:
    """Returns the verdict first, then each objective, then all that a reader should hold against it."""
    if found.winner.name == PRESENT:
        return [_nothing_better(plan, found), *_limits(plan, trials, found)]
    each = shown(plan, found)
    return [
        _verdict(plan, each, found),
        *map(_of_objective, each),
        *_price(plan, found),
        *_limits(plan, trials, found),
    ]


def shown(plan: Plan, found: Confirmation) -> list[Difference]:
    """Returns the differences by the objectives; one that no images are needed for only once, and without a split."""
    timed = [
        each.name
        for each in plan.objectives
        if all("{split}" not in term.address for term in each.terms)
    ]
    twice = {f"test {name}" for name in timed}
    names = {f"validation {name}": name for name in timed}
    each = [one for one in differences(plan, found) if one.name not in twice]
    return [replace(one, name=names.get(one.name, one.name)) for one in each]


def _nothing_better(plan: Plan, found: Confirmation) -> Statement:
    others = [each.contender.name for each in found.finalists if each.contender.name != PRESENT]
    if not others and found.failed:
        return Statement(
            "Nothing better",
            "No other finalist could be trained in full: the present settings stay.",
        )
    if not others:
        return Statement(
            "Nothing better",
            "No other trial is complete: nothing was found beside the present settings.",
        )
    objective = plan.objectives[0]
    values = {
        each.contender.name: significant(objective.of(each.values), 4) for each in found.finalists
    }
    against = ", ".join(f"{name} {values[name]}" for name in others)
    text = (
        "Nothing better than the present settings was found. Trained in full, they have the best validation "
        f"{objective.name}, {values[PRESENT]}; the best trials: {against}."
    )
    return Statement("Nothing better", text)


def _verdict(plan: Plan, each: Sequence[Difference], found: Confirmation) -> Statement:
    name, number, first = found.winner.name, plan.params.search.num_seeds, plan.objectives[0].name
    judged = [one for one in each if one.name in (first, f"validation {first}", f"test {first}")]
    if all(one.is_larger_than_spread for one in judged):
        where = "on the validation images that they were chosen by, and on the test images that they were not, "
        text = f"Trained in full, the settings of {name} beat the present ones by {first}, "
        text += where if len(judged) > 1 else ""
        return Statement("Better", f"{text}by more than the spread over {number} seeds.")
    if all(one.improvement > 0 for one in judged):
        small = " and ".join(one.name for one in judged if not one.is_larger_than_spread)
        text = f"Trained in full, the settings of {name} are better on average over {number} seeds, but their {small} "
        return Statement("Weak", f"{text}by no more than the spread: that may be chance.", "weak")
    worse = " and ".join(one.name for one in judged if one.improvement <= 0)
    text = f"Trained in full with {number} seeds, the settings of {name} have no better {worse}"
    return Statement("Not confirmed", f"{text}: there is no reason to take them over.", "weak")


def _of_objective(each: Difference) -> Statement:
    before, after = (
        plus_minus(each.present, each.present_deviation),
        plus_minus(each.winner, each.winner_deviation),
    )
    text = f"{before} before, {after} after"
    if each.improvement:
        larger = "larger" if abs(each.improvement) > each.spread else "not larger"
        change = "the improvement" if each.improvement > 0 else "the change, for the worse"
        text += f"{_relative(each)}; {change}, {significant(abs(each.improvement))}, is {larger} than the spread, "
        text += significant(each.spread, 2)
    tone = "plain" if each.is_larger_than_spread else "weak"
    return Statement(each.name[:1].upper() + each.name[1:], f"{text}.", tone)


def plus_minus(mean: float, deviation: float) -> str:
    """Returns `"24.2 ± 0.91"`."""
    return f"{significant(mean, 4)} ± {significant(deviation, 2)}"


def _relative(each: Difference) -> str:
    if not each.present:
        return ""
    change = (each.winner - each.present) / abs(each.present)
    return f" ({significant(abs(change) * 100, 2)} % {'lower' if change < 0 else 'higher'})"


def in_full(plan: Plan, found: Confirmation) -> list[tuple[Difference, str]]:
    """Returns every number of the trainings in full, and what is to be said of it: better, worse, within the spread."""
    before, after, directions = metrics_of(found.present), metrics_of(found.won), _directions(plan)
    rows = []
    for name in before:
        direction = directions.get(name.rpartition("/")[2], "none")
        if name not in after or f"/{REFERENCE}/" in name:
            continue
        each = difference(name, before[name], after[name], -1 if direction == "higher" else 1)
        sides = {True: "better" if each.improvement > 0 else "worse", False: "within the spread"}
        rows.append(
            (each, "" if direction == "none" else sides[abs(each.improvement) > each.spread])
        )
    return rows


def _directions(plan: Plan) -> dict[str, str]:
    listed = plan.params.evaluation.metrics
    modules = [plugins.find("metrics", name, "params.yaml: evaluation.metrics") for name in listed]
    measures = {
        name: measure.direction for module in modules for name, measure in module.MEASURES.items()
    }
    return measures | {TRAIN_SECONDS: "lower"}


def _price(plan: Plan, found: Confirmation) -> list[Statement]:
    """Returns what has become worse beside the objectives."""
    terms = [term for objective in plan.objectives for term in objective.terms]
    said = {term.address.format(split=split) for term in terms for split in ("validation", "test")}
    worse = [
        each for each, judged in in_full(plan, found) if judged == "worse" and each.name not in said
    ]
    if not worse:
        return []
    each = "; ".join(
        f"{one.name} {significant(one.present, 4)} before, {significant(one.winner, 4)} after"
        for one in worse
    )
    return [Statement("The price", f"Worse by more than the spread: {each}.", "weak")]


def _limits(plan: Plan, trials: Sequence[FrozenTrial], found: Confirmation) -> list[Statement]:
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    failed = [trial for trial in trials if REASON in trial.user_attrs]
    texts = []
    if len(complete) < FEW_TRIALS:
        texts.append(
            f"Little was searched: {len(complete)} complete trial{'s' if len(complete) != 1 else ''}."
        )
    if len(failed) > MANY_FAILED * len(trials):
        texts.append(
            f"{len(failed)} of {len(trials)} trials failed; their reasons are in the table."
        )
    for each in found.failed:
        texts.append(
            f"{each.contender.name} could not be trained in full ({each.reason}) and was left out."
        )
    if plan.params.search.num_seeds <= FEW_SEEDS and found.winner.name != PRESENT:
        number = plan.params.search.num_seeds
        texts.append(
            f"With {number} trainings on each side the standard deviations are rough themselves."
        )
    if edges := _at_edges(plan, found):
        texts.append(
            f"The winner lies at the edge of what was searched ({', '.join(edges)}): more may lie beyond it."
        )
    return [Statement("Limits", " ".join(texts), "weak")] if texts else []


def _at_edges(plan: Plan, found: Confirmation) -> list[str]:
    if found.winner.name == PRESENT:
        return []
    settings = found.winner.settings
    return [
        f"{name} {settings[name]}"
        for name, each in plan.space.distributions.items()
        if name in settings and not EDGE < _place(each, settings[name]) < 1 - EDGE
    ]


def _place(distribution: BaseDistribution, value: float) -> float:
    """Returns where a value lies in its range, from 0 to 1; a choice lies in the middle."""
    if not isinstance(distribution, FloatDistribution | IntDistribution) or distribution.single():
        return 0.5
    scale = math.log if distribution.log else float
    low, high, place = (scale(each) for each in (distribution.low, distribution.high, value))
    return (place - low) / (high - low)
