"""The study as one HTML page that needs nothing from outside: the verdict first, then how it came about."""

import json
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

import genlab
from genlab import pages
from genlab.pages import Picture, duration, plotly, significant
from genlab.runtime.files import replacing
from genlab.tune import figures, sampling, study, words
from genlab.tune.confirm import PRESENT, Confirmation, Contender, Training, pictures
from genlab.tune.loop import SECONDS, SETTINGS
from genlab.tune.plan import Plan
from genlab.tune.study import REASON, Study
from genlab.tune.trial import NUM_REPEATS

PAGE = "index.html"
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
STRIPS = {
    "prior_samples": (
        "Samples from the prior",
        "No image goes in: latents are drawn from the prior, and decoded.",
    ),
    "fitted_samples": (
        "Samples from the fitted density",
        "No image goes in: latents are drawn from a Gaussian mixture, fitted to the train latents, and decoded.",
    ),
    "reconstructions": ("Reconstructions", "Test images, and what the model makes of them."),
}
ORIGINALS = "originals"


@dataclass(frozen=True)
class Cell:
    """One side's picture; without one, why."""

    name: str
    accent: str
    alt: str
    picture: Picture | None


@dataclass(frozen=True)
class Strip:
    """One kind of picture of both sides: what it is, and the pictures."""

    title: str
    text: str
    cells: list[Cell]


@dataclass(frozen=True)
class Row:
    """One trial, as text. `state` is its colour, too; `marks` say that it is the winner, or the present settings."""

    number: int
    state: str
    marks: list[str]
    objectives: list[str]
    settings: list[str]
    seconds: str
    reason: str


def write(plan: Plan, searched: Study, found: Confirmation, folder: Path) -> None:
    """Writes `index.html`.

    Args:
        plan: What was searched.
        searched: The study.
        found: What the trainings in full gave.
        folder: Where to.
    """
    with replacing(folder / PAGE) as building:
        building.write_text(render(plan, searched, found), encoding="utf-8", newline="\n")


def render(plan: Plan, searched: Study, found: Confirmation) -> str:
    """Returns the page. Names and texts are escaped; nothing is loaded from outside."""
    trials = searched.trials
    drawn = figures.draw(searched, plan.objectives, plan.tune.prune_by)
    return (
        pages.environment(Path(__file__).parent)
        .get_template("page.html.j2")
        .render(
            plan=plan,
            found=found,
            has_winner=found.winner.name != PRESENT,
            findings=words.findings(plan, trials, found),
            states=Counter(_state(trial) for trial in trials),
            num_trials=len(study.settled(trials)),
            settings=_settings(plan, found),
            numbers=[
                (each, judged, words.plus_minus) for each, judged in words.in_full(plan, found)
            ],
            finalists=_finalists(plan, found),
            failed=[
                (each.contender.name, each.reason, _settings_of(plan, each.contender))
                for each in found.failed
            ],
            strips=_strips(plan, found),
            figures=[each for each in drawn if each.drawing],
            missing=[each for each in drawn if not each.drawing],
            library=plotly.source() if any(each.drawing for each in drawn) else "",
            trials=[_row(plan, trial, found) for trial in trials],
            how=_how(plan, searched),
            commands=_commands(plan, len(study.settled(trials))),
        )
    )


def _settings(plan: Plan, found: Confirmation) -> list[tuple[str, str, str, str]]:
    """Returns per setting its name, the present value, the winner's, and what was searched."""
    present = plan.space.settings(plan.space.present)
    return [
        (
            name,
            _text(present[name]),
            _text(found.winner.settings.get(name)),
            _range(plan, name, each),
        )
        for name, each in plan.space.distributions.items()
    ]


def _finalists(plan: Plan, found: Confirmation) -> list[tuple[str, str, list[str]]]:
    """Returns per finalist its name, the objective that it was chosen by, and its settings."""
    by = plan.objectives[0]
    return [
        (
            each.contender.name,
            significant(by.of(each.values), 4),
            _settings_of(plan, each.contender),
        )
        for each in found.finalists
    ]


def _settings_of(plan: Plan, contender: Contender) -> list[str]:
    return [_text(contender.settings[key]) for key in plan.space.distributions]


def _text(value: Any) -> str:
    """Returns a setting as `params.yaml` has it."""
    return (
        f"{value:.4g}"
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def _range(plan: Plan, name: str, distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(_text(value) for value in plan.space.choices[name].values())
    low, high, log, step = (getattr(distribution, part) for part in ("low", "high", "log", "step"))
    whole = isinstance(low, int) and step == 1
    how = (
        ", logarithmic" if log else "" if step is None or whole else f", in steps of {_text(step)}"
    )
    return f"{_text(low)} to {_text(high)}{', whole numbers' if whole else ''}{how}"


def _strips(plan: Plan, found: Confirmation) -> list[Strip]:
    """Returns the pictures of both sides' first seed: equal seeds, equal latents, equal test images."""
    sides = [found.present[0]] if found.winner.name == PRESENT else [found.present[0], found.won[0]]
    kept = [pictures(plan, side) for side in sides]
    strips = []
    for name, (title, text) in STRIPS.items():
        if any(name in each for each in kept):
            cells = [
                _cell(side, title, each.get(name)) for side, each in zip(sides, kept, strict=True)
            ]
            originals = kept[0].get(ORIGINALS) if name == "reconstructions" else None
            first = [
                Cell("Test images", "var(--soft)", "The original test images", _read(originals))
            ]
            strips.append(Strip(title, text, (first if originals else []) + cells))
    return strips


def _cell(side: Training, title: str, path: Path | None) -> Cell:
    is_present = side.contender.name == PRESENT
    name = "Present settings" if is_present else f"Winner: {side.contender.name}"
    return Cell(
        name,
        "#9a9a96" if is_present else "#0072b2",
        f"{title} of the model: {name.lower()}",
        _read(path),
    )


def _read(path: Path | None) -> Picture | None:
    return pages.picture(path.read_bytes()) if path else None


def _state(trial: FrozenTrial) -> str:
    lost = trial.state == TrialState.FAIL and REASON not in trial.user_attrs
    return "lost" if lost else STATES[trial.state]


def _row(plan: Plan, trial: FrozenTrial, found: Confirmation) -> Row:
    settings = trial.user_attrs.get(SETTINGS) or plan.space.settings(trial.params)
    marks = {
        "present": settings == plan.space.settings(plan.space.present),
        "winner": found.winner.name != PRESENT and trial.number == found.winner.number,
    }
    seconds = trial.user_attrs.get(SECONDS)
    is_complete = trial.state == TrialState.COMPLETE  # a pruned one has its last report for a value
    values = trial.values if is_complete else [None] * len(plan.objectives)
    return Row(
        number=trial.number,
        state=_state(trial),
        marks=[mark for mark, there in marks.items() if there],
        objectives=["–" if value is None else significant(value, 4) for value in values],
        settings=[
            _text(settings[name]) if name in settings else "–" for name in plan.space.distributions
        ],
        seconds="–" if seconds is None else f"{seconds:,.1f}",
        reason=_reason(trial),
    )


def _reason(trial: FrozenTrial) -> str:
    if _state(trial) == "pruned":
        return (
            f"worse than others were at step {trial.last_step:,}"
            if trial.last_step is not None
            else "pruned"
        )
    if _state(trial) == "lost":
        return "its process was lost; it was tried again"
    return str(trial.user_attrs.get(REASON, ""))


def _how(plan: Plan, searched: Study) -> list[tuple[str, str]]:
    search, tune, seed = plan.params.search, plan.tune, plan.params.seed
    full = plan.params.model(plan.name).get("steps", 0)
    limit = (
        f"; one that takes longer than {duration(search.trial_seconds)} has failed"
        if search.trial_seconds
        else ""
    )
    return [
        ("Model", f"{plan.name}, of the kind {plan.kind}"),
        (
            "Objective",
            "; ".join(f"{each.direction} {each.name}" for each in plan.objectives)
            + ", on validation images",
        ),
        ("Sampler", _sampler(search.sampler, search.startup_trials)),
        ("Pruner", _pruner(plan)),
        ("A trial", f"{tune.steps:,} training steps, of {full:,} in full{limit}"),
        (
            "Scored on",
            f"at most {search.num_images:,} validation images; against {NUM_REPEATS} sets of as many generated ones",
        ),
        ("In full", _in_full(plan)),
        ("Seeds", f"the search {seed}; the trainings in full {', '.join(map(str, _seeds(plan)))}"),
        (
            "Trials kept in",
            "a database that several machines may share" if searched.is_shared else "a journal",
        ),
        ("Data set", plan.params.data.name),
        ("Data, SHA-256", str(plan.identity["data"])),
        ("Features, SHA-256", str(plan.identity["features"])),
        ("genlab", genlab.__version__),
    ]


def _seeds(plan: Plan) -> list[int]:
    return [plan.params.seed + index for index in range(plan.params.search.num_seeds)]


def _sampler(name: str, startup: int) -> str:
    if name == sampling.GRID:
        return "grid: every point once"
    more = {
        "tpe": f"; the first {startup} trials at random",
        "cmaes": f"; the first {startup} trials at random",
    }
    return f"{name}{more.get(name, '')}; trial 0 has the present settings"


def _pruner(plan: Plan) -> str:
    search, by = plan.params.search, plan.tune.prune_by
    if search.pruner == "none" or by is None:
        return "none"
    return f"{search.pruner}, by the validation {by}, at {search.num_reports} times in a training"


def _in_full(plan: Plan) -> str:
    search = plan.params.search
    return (
        f"the best {search.finalists} trials and the present settings once; the best of these on validation images, "
        f"and the present settings, with {search.num_seeds} seeds"
    )


def _commands(plan: Plan, num_trials: int) -> list[str]:
    """Returns what makes the study again, and what takes it over."""
    model, default = shlex.quote(plan.name), f"{plan.name}-{plan.params.data.name}"
    name = "" if plan.study_name == default else f" --study {shlex.quote(plan.study_name)}"
    return [
        "dvc repro floor",
        f"genlab tune {model} --trials {num_trials}{name}",
        f"genlab tune {model} --apply{name}",
        "dvc repro",
    ]
