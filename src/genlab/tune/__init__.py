"""Searches one model's settings: whatever `params.yaml: tune.<model>.space` names.

plan         what is searched, checked before anything is computed
space        the settings' ranges and choices
objective    what a trial is judged by
study        the trials
storage      where they are kept
sampling     samplers and pruners
loop         trials, several at once
method       what comes next: of one of the three methods that follow
sampled      trials from their start to their end
halving      trials that go on while they are among the best of a bracket
population   trials that go on, and copy from each other
continued    what the last two share
pauses       where their trials pause
changeable   which settings can change in the middle of a training
front        which of several results is best, by one objective or by several
ranks        how well a rung of halving ranks
process      a trial's process, as the tuner sees it
trial        the same from inside: trains and measures
before_fork  what trials import before they are forked
confirm      the best trials against the present settings, in full, with several seeds
differences  winner against present settings, number by number
findings     what they say, in sentences
results      best_params.yaml and study.json
page         one HTML file for people
figures      its figures                                                               [plotly]
apply        the winner into params.yaml
"""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from genlab import tracking
from genlab.tune.apply import apply, read_best

if TYPE_CHECKING:
    from genlab.tune.plan import Plan

__all__ = ["apply", "read_best", "run"]


def run(plan: "Plan", num_trials: int, out: Path) -> str:
    """Searches until the study has `num_trials`, confirms the winner, and writes the results.

    A study that was cut off continues: finished trials stay, lost ones resume from checkpoints.

    Args:
        plan: Of `plan.make`.
        num_trials: Of the whole study, with those of earlier calls and of other machines.
        out: The folder for the results.

    Returns:
        The verdict in a few lines.

    Raises:
        InputError: The search cannot run.
    """
    from genlab.tune import findings, loop, page, results, storage, study
    from genlab.tune.confirm import confirm

    search, name = plan.params.search, plan.study_name
    with ExitStack() as stack:
        stack.enter_context(storage.storage_errors())
        if storage.address(search) is None:
            stack.enter_context(storage.only_tuner(name))
        opened = storage.open_storage(search, name)
        directions = [goal.direction for goal in plan.objectives]
        trials = study.load(opened, name, plan.space, directions, search, plan.identity)
        run = stack.enter_context(
            tracking.study_run(
                name=name,
                model=plan.name,
                kind=plan.kind,
                params={key: plan.identity[key] for key in ("space", "objective")},
                study_id=plan.study_id,
                experiment=plan.experiment,
            )
        )
        if not loop.search(plan, trials, num_trials, run):
            return f"{name}: the trials are over; the process that ended the last one confirms."
        confirmation = confirm(plan, trials, run)
        results.write(plan, trials, confirmation, out)
        page.write(plan, trials, confirmation, out)
        run.log_artifact(out, "study")
        statements = findings.findings(plan, trials.trials, confirmation)
    winner = confirmation.winner
    title = f"the winner is {winner.name}: {winner.settings}"
    title = title if confirmation.has_winner else "the present settings stay"
    lines = [f"{statement.topic}: {statement.text}" for statement in statements]
    return "\n".join([f"{name}: {title}", *lines])
