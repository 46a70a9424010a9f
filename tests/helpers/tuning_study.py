"""Studies in memory whose trials and trainings in full give the values that a test wants."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from genlab.contract.evidence import Measure
from genlab.imaging import arrays
from genlab.runtime.native_output import import_tensorflow
from genlab.settings.params import Params, Tune

import_tensorflow()

from genlab.tune import page, study, trial  # noqa: E402
from genlab.tune.confirm import Confirmation, confirm  # noqa: E402
from genlab.tune.objective import Objective, Term  # noqa: E402
from genlab.tune.plan import Plan  # noqa: E402
from genlab.tune.process import Outcome  # noqa: E402
from genlab.tune.space import Space  # noqa: E402

LEARNING_RATE = {"learning_rate": FloatDistribution(1e-4, 1e-2, log=True)}
RANGES: dict[str, BaseDistribution] = {
    **LEARNING_RATE,
    "kl_weight": FloatDistribution(0.1, 10.0, log=True),
    "depth": IntDistribution(1, 4),
}
CHOICES: dict[str, BaseDistribution] = {
    "loss": CategoricalDistribution(["l1", "l2", "</script><b>bold</b>"]),
    "widths": CategoricalDistribution(["[500, 500]", "[256]"]),
    "clip": CategoricalDistribution([None, 1.0]),
}
PRESENT = {"learning_rate": 1e-3, "kl_weight": 1.0, "depth": 2}
PRESENT |= {"loss": "l2", "widths": "[256]", "clip": None}  # type: ignore[dict-item]
WORST = "<script>alert('&')</script> was not finite"
IDENTITY = {"data": "ab" * 32, "features": "cd" * 32, "seed": 7, "steps": 3000}


def objective(metric: str, direction: Any = "lower", source: str = "prior") -> Objective:
    address = metric if metric == "train_seconds" else f"{{split}}/{source}/{metric}"
    return Objective((Term(metric, address, 1.0, Measure("", direction, ""), False),))


DISTANCE = objective("frechet_distance")
PSNR = objective("psnr", "higher", "reconstruction")
SECONDS = objective("train_seconds")


def make_plan(
    params: Params, distributions: dict[str, BaseDistribution], objectives: list[Objective]
) -> Plan:
    changes = {"sampler": "random", "startup_trials": 1, "num_seeds": 3, "workers": 1}
    present = {name: PRESENT[name] for name in distributions}
    changed = {
        "models": {"vae": {"kind": "vae", "steps": 12000, **present}},
        "search": params.search.model_copy(update=changes),
        "seed": 7,
    }
    choices = {
        name: {value: json.loads(value) if "[" in str(value) else value for value in of.choices}
        for name, of in distributions.items()
        if isinstance(of, CategoricalDistribution)
    }
    metric = "frechet_distance"
    return Plan(
        params=params.model_copy(update=changed),
        name="vae",
        study_name="vae-digits",
        images=Path("images"),
        features=Path("features"),
        tune=Tune(steps=3000, objective=metric, prune_by=metric, space={"learning_rate": {}}),
        space=Space(distributions, choices, present, "params.yaml"),
        objectives=objectives,
        kind="vae",
        identity=dict(IDENTITY),
    )


class Trials:
    """A study whose trials end as they are told to."""

    def __init__(self, plan: Plan):
        directions = [goal.direction for goal in plan.objectives]
        storage = optuna.storages.InMemoryStorage()
        search = plan.params.search.model_copy(update={"pruner": "none"})
        self.plan = plan
        self.study = study.load(storage, "s", plan.space, directions, search, plan.identity)

    def add(
        self,
        *values: float,
        state: TrialState = TrialState.COMPLETE,
        reports: int = 3,
        reason: str = "",
    ) -> None:
        """Runs a trial; Optuna takes no reports if there are several objectives."""
        asked = self.study.ask(1000)
        assert asked is not None
        for step in range(1, reports + 1) if len(values) < 2 else ():
            asked.report(200.0 / step + asked.number, step * 100)
        settings = self.plan.space.settings(asked.params)
        facts: dict[str, Any] = {study.SETTINGS: settings, study.SECONDS: 12.34}
        facts |= {study.REASON: reason} if reason else {}
        self.study.tell(asked, state, list(values) or None, facts)

    def confirmed(self) -> Confirmation:
        return confirm(self.plan, self.study, SimpleNamespace(run_id="none"))  # type: ignore[arg-type]

    def rendered(self) -> str:
        return page.render(self.plan, self.study, self.confirmed())


def usual(params: Params, objectives: list[Objective] | None = None) -> Trials:
    """Trial 0 is present, trial 2 the best one; 3 is pruned, 4 has failed."""
    wanted = objectives or [DISTANCE]
    trials = Trials(make_plan(params, RANGES, wanted))
    for value in (46.5, 128.7, 24.25):
        trials.add(*(value + place for place in range(len(wanted))))
    trials.add(state=TrialState.PRUNED, reports=2)
    trials.add(state=TrialState.FAIL, reports=0, reason=WORST)
    return trials


@dataclass
class Measured:
    """What a training in full of three seeds gives: Fréchet distances and PSNR of both sides."""

    present: tuple[float, float, float] = (40.0, 42.0, 44.0)
    others: tuple[float, float, float] = (30.0, 31.0, 32.0)
    others_on_test: tuple[float, float, float] = (30.0, 31.0, 32.0)
    others_psnr: float = 20.0
    runs: int = 0
    fails: str = "no training"

    def run(
        self, order: trial.TrialOrder, report: Any, limit: Any, stop: threading.Event
    ) -> Outcome:
        """Stands in for `process.run`."""
        entry, index = order.params.models["vae"], max(0, order.params.seed - 8)  # 7 chooses
        is_present = all(entry[name] == PRESENT[name] for name in RANGES if name in entry)
        self.runs += 1
        if order.run_name.startswith(self.fails):
            return Outcome("failed", None, WORST)
        assert order.pictures is not None
        for name in trial.PICTURES:
            shade = 10 * index + (100 if is_present else 0) + len(name)
            arrays.write_png(order.pictures / f"{name}.png", np.full((35, 35, 1), shade, np.uint8))
        values = {"train_seconds": 5.0 + index}
        for split in order.splits:
            others = self.others_on_test if split == "test" else self.others
            distances = self.present if is_present else others
            psnr = 20.0 if is_present else self.others_psnr
            values[f"{split}/prior/frechet_distance"] = distances[index]
            values[f"{split}/reconstruction/psnr"] = psnr + 0.1 * index
            values[f"{split}/pca/psnr"] = 15.0 if is_present else 12.0
        return Outcome("done", values, train_key="key")
