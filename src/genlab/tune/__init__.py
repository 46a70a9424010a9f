"""Searches one model's settings: loss weights, learning rates, whatever `params.yaml: tune.<model>.space` names.

plan         what is searched, checked before anything is computed
space        the settings' ranges and choices
objective    what a trial is judged by
study        the trials
storage      where they are kept
sampling     samplers and pruners
loop         trials, several at once
process      a trial's process, as the tuner sees it
trial        the same, as it sees itself: trains and measures
confirm      the best trials against the present settings, in full, with several seeds
record       what is left behind
page         the same for people: one HTML file
words        findings in sentences
figures      the search, drawn: which figures there are
drawing      how they look                                                             [plotly]
apply        the winner into params.yaml
"""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from genlab import tracking
from genlab.settings.params import Params
from genlab.tune.apply import apply, read_best

if TYPE_CHECKING:
    from genlab.tune.confirm import Confirmation
    from genlab.tune.plan import Plan

__all__ = ["apply", "read_best", "run"]


def run(
    params: Params,
    name: str,
    num_trials: int,
    images: Path,
    features: Path,
    out: Path,
    study_name: str | None = None,
) -> str:
    """Searches until the study has `num_trials`, confirms the winner, and writes what was found to `out`.

    A study that was cut off goes on: finished trials are kept, the lost ones go on from their checkpoints.

    Args:
        params: All parameters.
        name: A model in `params.yaml: tune`.
        num_trials: Of the whole study, those of former calls and other machines included.
        images: The fetched data set.
        features: The feature extractor's folder.
        out: A folder.
        study_name: By default `<model>-<data set>`.

    Returns:
        The verdict, in words.

    Raises:
        InputError: The search cannot be run as it is written; the message is one line.
    """
    from genlab.tune import loop, page, plan, record, storage, study
    from genlab.tune.confirm import confirm

    search = plan.make(params, name, study_name, images, features)
    with ExitStack() as stack:
        stack.enter_context(storage.storage_errors())
        if storage.address(params.search) is None:
            stack.enter_context(storage.only_tuner(search.study_name))
        opened = storage.open_storage(params.search, search.study_name)
        directions = [objective.direction for objective in search.objectives]
        found = study.load(
            opened, search.study_name, search.space, directions, params.search, search.identity
        )
        facts = {"space": search.identity["space"], "objective": search.identity["objective"]}
        run = stack.enter_context(
            tracking.study_run(
                name=search.study_name,
                model=name,
                kind=search.kind,
                params=facts,
                study_id=search.study_id,
                experiment=search.experiment,
            )
        )
        if not loop.search(search, found, num_trials, run):
            return f"{search.study_name}: the trials are over; the process that ended the last one confirms."
        confirmation = confirm(search, found, run)
        record.write(search, found, confirmation, out)
        page.write(search, found, confirmation, out)
        run.log_artifact(out, "study")
    return _verdict(search, confirmation)


def _verdict(search: "Plan", found: "Confirmation") -> str:
    from genlab.tune import words

    if found.winner.name == "present":
        return f"{search.study_name}: nothing better than the present settings was found."
    lines = [f"{search.study_name}: the winner is {found.winner.name}: {found.winner.settings}"]
    for each in words.shown(search, found):
        larger = "larger" if each.is_larger_than_spread else "NOT larger"
        lines.append(
            f"{each.name}: {each.present:.5g} ± {each.present_deviation:.2g} before, {each.winner:.5g} ± "
            f"{each.winner_deviation:.2g} after; the improvement, {each.improvement:.3g}, is {larger} than the spread."
        )
    return "\n".join(lines)
