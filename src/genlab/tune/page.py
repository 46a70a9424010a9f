"""The study as one HTML page that needs no other file: the verdict first, then the search."""

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

import genlab
from genlab import pages
from genlab.pages import Picture, duration, plotly, significant
from genlab.runtime.files import replacing
from genlab.tune import differences, figures, findings, front, ranks
from genlab.tune.confirm import PRESENT, Confirmation, FullTraining, pictures
from genlab.tune.continued import rungs
from genlab.tune.plan import Plan
from genlab.tune.study import REASON, SECONDS, SETTINGS, Study, settled
from genlab.tune.trial import NUM_REPEATS

PAGE = "index.html"
MISSING = "–"


class Side(NamedTuple):
    """The pictures of one side's first seed, by kind: equal seeds, latents and test images."""

    name: str
    accent: str
    pictures: dict[str, Picture]


def write(plan: Plan, study: Study, confirmation: Confirmation, folder: Path) -> None:
    """Writes `index.html`."""
    with replacing(folder / PAGE) as building:
        text = render(plan, study, confirmation)
        building.write_text(text, encoding="utf-8", newline="\n")


def render(plan: Plan, study: Study, confirmation: Confirmation) -> str:
    """Returns the page. Names and texts are escaped."""
    trials = study.trials
    reported = plan.objectives[0].name if plan.pauses else plan.tune.prune_by
    all_figures = figures.draw(study, plan.objectives, reported)
    drawn = [figure for figure in all_figures if figure.drawing]
    sides = [confirmation.present, confirmation.won][: 1 + confirmation.has_winner]
    environment = pages.environment(Path(__file__).parent)
    environment.filters |= {"setting": _setting, "significant": significant, "duration": duration}
    return environment.get_template("page.html.j2").render(
        plan=plan,
        search=plan.params.search,
        names=plan.names,
        confirmation=confirmation,
        has_winner=confirmation.has_winner,
        findings=findings.findings(plan, trials, confirmation),
        states=Counter(_state(trial) for trial in trials),
        ranges={name: _range(plan, name, of) for name, of in plan.space.distributions.items()},
        numbers=differences.of_all(plan, confirmation),
        plus_minus=findings.plus_minus,
        sides=[_side(plan, side[0]) for side in sides],
        figures=drawn,
        missing=[figure for figure in all_figures if not figure.drawing],
        library=plotly.source() if drawn else "",
        trials=[_row(plan, trial, confirmation) for trial in trials],
        ranks=ranks.of_rungs(plan, trials, study.optuna.user_attrs),
        rule=front.RULE,
        num_repeats=NUM_REPEATS,
        is_shared=study.is_shared,
        version=genlab.__version__,
        commands=_commands(plan, len(settled(trials))),
    )


def _setting(value: Any) -> str:
    """Returns a setting as `params.yaml` has it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _range(plan: Plan, name: str, distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(_setting(value) for value in plan.space.choices[name].values())
    low, high, log, step = (getattr(distribution, part) for part in ("low", "high", "log", "step"))
    is_whole = isinstance(low, int) and step == 1
    text = f"{_setting(low)} to {_setting(high)}{', whole numbers' if is_whole else ''}"
    if log:
        return f"{text}, logarithmic"
    return text if step is None or is_whole else f"{text}, in steps of {_setting(step)}"


def _side(plan: Plan, training: FullTraining) -> Side:
    is_present = training.contender.name == PRESENT
    name = "Present settings" if is_present else f"Winner: {training.contender.name}"
    paths = pictures(plan, training)
    read = {kind: pages.picture(path.read_bytes()) for kind, path in paths.items()}
    return Side(name, "#9a9a96" if is_present else "#0072b2", read)


def _state(trial: FrozenTrial) -> str:
    if trial.state == TrialState.FAIL:
        return "failed" if REASON in trial.user_attrs else "lost"
    return trial.state.name.lower()


def _row(plan: Plan, trial: FrozenTrial, confirmation: Confirmation) -> dict[str, Any]:
    settings = trial.user_attrs.get(SETTINGS) or plan.space.settings(trial.params)
    is_winner = confirmation.has_winner and trial.number == confirmation.winner.number
    marks = {"present": settings == plan.present, "winner": is_winner}
    # Optuna gives a pruned trial its last report as a value.
    values = trial.values if trial.state == TrialState.COMPLETE else []
    seconds = trial.user_attrs.get(SECONDS)
    return {
        "number": trial.number,
        "state": _state(trial),
        "marks": [mark for mark, holds in marks.items() if holds],
        "cells": [
            *([significant(value, 4) for value in values] or [MISSING] * len(plan.objectives)),
            *(_setting(settings[name]) if name in settings else MISSING for name in plan.names),
            MISSING if seconds is None else f"{seconds:,.1f}",
            _reason(trial),
        ],
    }


def _reason(trial: FrozenTrial) -> str:
    state = _state(trial)
    if state == "lost":
        return "its process was lost; it was tried again"
    last_step = next((rung["step"] for rung in reversed(rungs(trial))), trial.last_step)
    if state == "pruned" and last_step is None:
        return "pruned"
    if state == "pruned":
        return f"worse than others were at step {last_step:,}"
    return str(trial.user_attrs.get(REASON, ""))


def _commands(plan: Plan, num_trials: int) -> list[str]:
    """Returns the commands that repeat the study and apply its winner."""
    model, default = shlex.quote(plan.name), f"{plan.name}-{plan.params.data.name}"
    option = "" if plan.study_name == default else f" --study {shlex.quote(plan.study_name)}"
    return [
        "dvc repro floor",
        f"genlab tune {model} --trials {num_trials}{option}",
        f"genlab tune {model} --apply{option}",
        "dvc repro",
    ]
