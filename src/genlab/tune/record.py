"""What a search leaves behind: `best_params.yaml`, which `--apply` takes, and `study.json`, all that was found."""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial
from ruamel.yaml import YAML

from genlab.runtime.files import replacing
from genlab.tune.apply import BEST
from genlab.tune.confirm import Confirmation, differences
from genlab.tune.loop import SECONDS, SETTINGS
from genlab.tune.plan import Plan
from genlab.tune.study import REASON, VALUES, Study

STUDY = "study.json"


def write(plan: Plan, study: Study, found: Confirmation, folder: Path) -> None:
    """Writes both files."""
    best = {"data": plan.params.data.name, "models": {plan.name: found.winner.settings}}
    head = (
        f"# {found.winner.name} of the study {plan.study_name}; the objective is {plan.objectives[0].name}.\n"
        f"# To take it over: genlab tune {plan.name} --apply\n"
    )
    with replacing(folder / BEST) as building:
        building.write_text(head + _dump(best))
    facts = {
        "study": plan.study_name,
        "model": plan.name,
        "kind": plan.kind,
        "data": plan.params.data.name,
        "objectives": [
            {"name": each.name, "direction": each.direction} for each in plan.objectives
        ],
        "search": plan.params.search.model_dump(mode="json", exclude={"storage"}),
        "identity": plan.identity,
        "seeds": [plan.params.seed + index for index in range(plan.params.search.num_seeds)],
        "trials": [_trial(each) for each in study.trials],
        "finalists": [asdict(each) for each in found.finalists],
        "failed": [
            {"contender": asdict(each.contender), "reason": each.reason} for each in found.failed
        ],
        "winner": asdict(found.winner),
        "trainings": {
            "present": [asdict(each) for each in found.present],
            "winner": [asdict(each) for each in found.won],
        },
        "differences": [
            asdict(each) | {"is_larger_than_spread": each.is_larger_than_spread}
            for each in differences(plan, found)
        ],
    }
    with replacing(folder / STUDY) as building:
        building.write_text(json.dumps(facts, indent=2) + "\n")


def _dump(values: dict[str, Any]) -> str:
    text = io.StringIO()
    YAML().dump(values, text)
    return text.getvalue()


def _trial(trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "settings": attributes.get(SETTINGS, trial.params),
        "objectives": trial.values,
        "values": attributes.get(VALUES),
        "reports": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
        "seconds": attributes.get(SECONDS),
        "reason": attributes.get(REASON),
    }
