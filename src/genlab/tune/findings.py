"""What a search found, in sentences that follow from the numbers; weak results are called weak."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from genlab.pages import significant
from genlab.tune import differences
from genlab.tune.confirm import PRESENT, Confirmation
from genlab.tune.differences import Difference
from genlab.tune.objective import SPLITS
from genlab.tune.plan import Plan
from genlab.tune.study import REASON

FEW_TRIALS = 10
FEW_SEEDS = 5
"""Up to so many seeds a standard deviation is itself uncertain."""
MANY_FAILED = 0.25
EDGE = 0.02
"""How near to an end of its range, as a share of it, a value lies at the edge."""


@dataclass(frozen=True)
class StudyStatement:
    """One finding: what it is about, the sentences, and whether it is `plain` or `weak`."""

    topic: str
    text: str
    tone: str = "plain"


def findings(
    plan: Plan, trials: Sequence[FrozenTrial], confirmation: Confirmation
) -> list[StudyStatement]:
    """Returns the verdict, then each objective, then what speaks against it."""
    weak = [
        StudyStatement(topic, text, "weak")
        for topic, text in (
            ("The price", _price(plan, confirmation)),
            ("Limits", " ".join(_limits(plan, trials, confirmation))),
        )
        if text
    ]
    if not confirmation.has_winner:
        return [StudyStatement("Nothing better", _nothing_better(plan, confirmation)), *weak]
    numbers = differences.of_objectives(plan, confirmation)
    verdict = _verdict(plan, numbers, confirmation.winner.name)
    return [verdict, *map(_of_objective, numbers), *weak]


def _nothing_better(plan: Plan, confirmation: Confirmation) -> str:
    goals = plan.objectives
    values = {
        training.contender.name: " and ".join(
            significant(goal.of(training.values), 4) for goal in goals
        )
        for training in confirmation.finalists
    }
    present = values.pop(PRESENT)
    if not values and confirmation.failed:
        return "No other finalist could be trained in full: the present settings stay."
    if not values:
        return "No other trial is complete: nothing was found beside the present settings."
    others = ", ".join(f"{name} {value}" for name, value in values.items())
    if len(goals) > 1:
        return (
            "Nothing better than the present settings was found. Trained in full, they are the "
            f"knee of the finalists' front by {' and '.join(goal.name for goal in goals)} on "
            f"validation images, {present}; the others: {others}."
        )
    return (
        "Nothing better than the present settings was found. Trained in full, they have the best "
        f"validation {goals[0].name}, {present}; the best trials: {others}."
    )


def _verdict(plan: Plan, numbers: Sequence[Difference], winner: str) -> StudyStatement:
    """Judges by the objective, on both splits; or by all of them."""
    if len(plan.objectives) > 1:
        return _verdict_of_many(plan, numbers, winner)
    num_seeds, goal = plan.params.search.num_seeds, plan.objectives[0]
    judged = numbers[: len(goal.splits)]
    if all(number.is_better for number in judged):
        where = (
            "on the validation images that they were chosen by, and on the test images that they "
            "were not, "
        )
        return StudyStatement(
            "Better",
            f"Trained in full, the settings of {winner} beat the present ones by {goal.name}, "
            f"{where if len(judged) > 1 else ''}by more than chance ({num_seeds} fresh seeds on "
            "each side, Welch's t-test).",
        )
    if all(number.improvement > 0 for number in judged):
        small = " and ".join(n.name for n in judged if not n.is_better)
        return StudyStatement(
            "Weak",
            f"Trained in full, the settings of {winner} are better on average over {num_seeds} "
            f"fresh seeds, but as to {small} that may be chance.",
            "weak",
        )
    worse = " and ".join(number.name for number in judged if number.improvement <= 0)
    return StudyStatement(
        "Not confirmed",
        f"Trained in full with {num_seeds} seeds, the settings of {winner} have no better {worse}: "
        "there is no reason to take them over.",
        "weak",
    )


def _verdict_of_many(plan: Plan, numbers: Sequence[Difference], winner: str) -> StudyStatement:
    """Calls a winner better if some objective is better and none is worse, by more than chance."""
    better = " and ".join(number.name for number in numbers if number.is_better)
    worse = " and ".join(
        number.name for number in numbers if number.improvement < 0 and number.is_significant
    )
    judged = f"by more than chance ({plan.params.search.num_seeds} fresh seeds on each side)"
    begun = f"Trained in full, the settings of {winner}"
    if better and not worse:
        text = f"{begun} are better by {better}, {judged}; no objective is worse by more."
        return StudyStatement("Better", text)
    if better:
        text = f"{begun} are better by {better} and worse by {worse}, each {judged}. They are "
        text += "another point of the front, chosen by a rule; what it is worth is yours to say."
        return StudyStatement("A trade", text, "weak")
    if worse:
        text = f"{begun} are worse by {worse}, {judged}, and by nothing better: there is no reason "
        return StudyStatement("Not confirmed", f"{text}to take them over.", "weak")
    text = f"{begun} differ from the present ones by no objective {judged}."
    return StudyStatement("Weak", text, "weak")


def _of_objective(number: Difference) -> StudyStatement:
    before = plus_minus(number.present, number.present_deviation)
    after = plus_minus(number.winner, number.winner_deviation)
    text = f"{before} before, {after} after"
    if number.improvement:
        change = "the improvement" if number.improvement > 0 else "the change, for the worse"
        verdict = "is more than chance" if number.is_significant else "may be chance"
        text += f"{_relative(number)}; {change}, {significant(abs(number.improvement))}, {verdict} "
        text += f"(p {significant(number.p_value, 2)})"
    topic = number.name[:1].upper() + number.name[1:]
    return StudyStatement(topic, f"{text}.", "plain" if number.is_better else "weak")


def plus_minus(mean: float, deviation: float) -> str:
    """Returns `"24.2 ± 0.91"`."""
    return f"{significant(mean, 4)} ± {significant(deviation, 2)}"


def _relative(number: Difference) -> str:
    if not number.present:
        return ""
    change = (number.winner - number.present) / abs(number.present)
    return f" ({significant(abs(change) * 100, 2)} % {'lower' if change < 0 else 'higher'})"


def _price(plan: Plan, confirmation: Confirmation) -> str:
    """Returns what is worse, apart from the objectives."""
    terms = [term for goal in plan.objectives for term in goal.terms]
    own = {term.address.format(split=split) for term in terms for split in SPLITS}
    worse = [
        f"{number.name} {significant(number.present, 4)} before, "
        f"{significant(number.winner, 4)} after"
        for number, judgement in differences.of_all(plan, confirmation)
        if judgement == "worse" and number.name not in own
    ]
    return f"Worse by more than chance: {'; '.join(worse)}." if worse else ""


def _limits(plan: Plan, trials: Sequence[FrozenTrial], confirmation: Confirmation) -> Iterator[str]:
    num_complete = sum(trial.state == TrialState.COMPLETE for trial in trials)
    num_failed = sum(REASON in trial.user_attrs for trial in trials)
    num_seeds = plan.params.search.num_seeds
    if num_complete < FEW_TRIALS:
        plural = "s" if num_complete != 1 else ""
        yield f"Little was searched: {num_complete} complete trial{plural}."
    if num_failed > MANY_FAILED * len(trials):
        yield f"{num_failed} of {len(trials)} trials failed; their reasons are in the table."
    for failure in confirmation.failed:
        name = failure.contender.name
        yield f"{name} could not be trained in full ({failure.reason}) and was left out."
    if not confirmation.has_winner:
        return
    if num_seeds <= FEW_SEEDS:
        yield f"With {num_seeds} trainings on each side the standard deviations are rough."
    settings = confirmation.winner.settings
    edges = [
        f"{name} {settings[name]}"
        for name, distribution in plan.space.distributions.items()
        if name in settings and not EDGE < _place(distribution, settings[name]) < 1 - EDGE
    ]
    if edges:
        yield (
            f"The winner lies at the edge of what was searched ({', '.join(edges)}): better "
            "settings may lie beyond it."
        )


def _place(distribution: BaseDistribution, value: float) -> float:
    """Returns where a value lies in its range, from 0 to 1; a choice lies in the middle."""
    if not isinstance(distribution, FloatDistribution | IntDistribution) or distribution.single():
        return 0.5
    scale = math.log if distribution.log else float
    low, high, place = (scale(end) for end in (distribution.low, distribution.high, value))
    return (place - low) / (high - low)
