"""The files of a search: `best_params.yaml`, which `--apply` takes, and `study.json`."""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial
from ruamel.yaml import YAML

from genlab.runtime.files import replacing
from genlab.tune import differences, front, ranks
from genlab.tune.apply import BEST
from genlab.tune.confirm import Confirmation
from genlab.tune.continued import rungs
from genlab.tune.plan import Plan
from genlab.tune.study import REASON, SECONDS, SETTINGS, VALUES, Study

STUDY = "study.json"


def write(plan: Plan, study: Study, confirmation: Confirmation, folder: Path) -> None:
    """Writes both files."""
    winner = confirmation.winner
    text = io.StringIO()
    text.write(
        f"# {winner.name} of the study {plan.study_name}; "
        f"the objective is {' and '.join(goal.name for goal in plan.objectives)}.\n"
        f"# To apply it: genlab tune {plan.name} --apply\n"
    )
    best: dict[str, Any] = {"data": plan.params.data.name, "models": {plan.name: winner.settings}}
    best |= {"schedule": winner.schedule} if winner.schedule else {}
    YAML().dump(best, text)
    with replacing(folder / BEST) as building:
        building.write_text(text.getvalue())
    with replacing(folder / STUDY) as building:
        building.write_text(json.dumps(_facts(plan, study, confirmation), indent=2) + "\n")


def _facts(plan: Plan, study: Study, confirmation: Confirmation) -> dict[str, Any]:
    numbers = differences.of_objectives(plan, confirmation)
    correlations = ranks.of_rungs(plan, study.trials, study.optuna.user_attrs)
    sides = {"present": confirmation.present, "winner": confirmation.won}
    return {
        "study": plan.study_name,
        "model": plan.name,
        "kind": plan.kind,
        "data": plan.params.data.name,
        "objectives": [{"name": of.name, "direction": of.direction} for of in plan.objectives],
        "chosen_by": front.RULE if len(plan.objectives) > 1 else "the objective",
        "search": plan.params.search.model_dump(mode="json", exclude={"storage"}),
        "identity": plan.identity,
        "seeds": plan.seeds,
        "rank_correlation": [asdict(each) for each in correlations],
        "trials": [_trial(trial) for trial in study.trials],
        "finalists": [asdict(training) for training in confirmation.finalists],
        "failed": [
            {"contender": asdict(failure.contender), "reason": failure.reason}
            for failure in confirmation.failed
        ],
        "winner": asdict(confirmation.winner),
        "trainings": {name: [asdict(each) for each in side] for name, side in sides.items()},
        "differences": [
            asdict(number) | {"is_significant": number.is_significant} for number in numbers
        ],
    }


def _trial(trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "settings": attributes.get(SETTINGS, trial.params),
        "objectives": trial.values,
        "values": attributes.get(VALUES),
        "rungs": rungs(trial),
        "reports": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
        "seconds": attributes.get(SECONDS),
        "reason": attributes.get(REASON),
    }
