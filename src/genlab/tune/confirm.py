"""The best trials and the present settings in full: chosen on validation, judged on test images."""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from genlab import tracking
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.training import discard
from genlab.tune import front, process, storage
from genlab.tune.loop import in_parallel
from genlab.tune.plan import Plan
from genlab.tune.population import schedule
from genlab.tune.study import REASON, SETTINGS, Study, settled

PRESENT = "present"


@dataclass(frozen=True)
class Contender:
    """Settings that are trained in full: the present ones, or a trial's.

    If they changed on the way, `schedule` has all of them, each with the `step` from which on they
    held; `settings` are the last ones.
    """

    name: str
    number: int
    settings: dict[str, Any]
    schedule: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class FullJob:
    """One training in full: whose, with the seed of which index, measured on which splits."""

    contender: Contender
    index: int
    splits: tuple[str, ...]


@dataclass(frozen=True)
class FullTraining:
    """A training in full; `values` by name: `test/prior/frechet_distance`, `train_seconds`."""

    contender: Contender
    index: int
    splits: tuple[str, ...]
    values: dict[str, float]
    train_key: str


@dataclass(frozen=True)
class Failure:
    """A training in full that failed, and why."""

    contender: Contender
    reason: str
    log: Path


@dataclass(frozen=True)
class Confirmation:
    """Who was trained in full, whose training failed, who won, and both sides' trainings."""

    finalists: list[FullTraining]
    failed: list[Failure]
    winner: Contender
    present: list[FullTraining]
    won: list[FullTraining]

    @property
    def has_winner(self) -> bool:
        """Whether a trial beat the present settings."""
        return self.winner.name != PRESENT


def confirm(plan: Plan, study: Study, run: tracking.Run) -> Confirmation:
    """Trains the finalists once, then the winner and the present settings with fresh seeds.

    The seed that chose the winner does not judge it: its luck would count. What was trained before
    is not trained again.

    Raises:
        InputError: No trial is complete, or a training of the present settings or of the winner
            failed.
    """
    contenders = _contenders(plan, study)
    present = contenders[0]
    tried = _train(plan, [FullJob(side, 0, ("validation",)) for side in contenders], run)
    finalists = [result for result in tried if isinstance(result, FullTraining)]
    failed = [result for result in tried if isinstance(result, Failure)]
    _refuse([failure for failure in failed if failure.contender == present])
    points = [plan.point(training.values) for training in finalists]
    best = front.order(points, among=study.points(study.ranking()))
    winner = finalists[best[0]].contender
    sides = [present] if winner == present else [present, winner]
    splits = ("validation", "test")
    indices = range(1, 1 + plan.params.search.num_seeds)
    judged = _train(
        plan, [FullJob(side, index, splits) for index in indices for side in sides], run
    )
    _refuse([result for result in judged if isinstance(result, Failure)])
    trainings = [result for result in judged if isinstance(result, FullTraining)]
    ours, theirs = (
        [training for training in trainings if training.contender == side]
        for side in (present, winner)
    )
    return Confirmation(finalists, failed, winner, ours, theirs)


def _contenders(plan: Plan, study: Study) -> list[Contender]:
    """Returns the present settings, then the best trials with settings of their own."""
    ranking = study.ranking()
    if not ranking:
        trials = settled(study.trials)
        reasons = sorted({trial.user_attrs.get(REASON, "pruned") for trial in trials})
        raise InputError(
            "a study must have a complete trial",
            f"none ({'; '.join(reasons)[:300]})",
            f"See params.yaml: tune.{plan.name}, and the logs in {storage.folder(plan.study_name)}",
        )
    contenders = [Contender(PRESENT, 0, plan.present)]
    for trial in ranking:
        stages = schedule(study.trials, trial.number, plan.pauses)
        made = Contender(f"trial {trial.number}", trial.number, trial.user_attrs[SETTINGS])
        if len(stages) > 1:
            parts = [{"step": step, "settings": plan.space.settings(of)} for step, of in stages]
            made = replace(made, schedule=parts)
        is_new = all(
            (made.settings, made.schedule) != (other.settings, other.schedule)
            for other in contenders
        )
        if is_new:
            contenders.append(made)
    return contenders[: 1 + plan.params.search.finalists]


def _refuse(failures: Sequence[Failure]) -> None:
    for failure in failures:
        raise InputError(
            "a training in full must succeed",
            f"{failure.contender.name}: {failure.reason}",
            f"See {failure.log}. When that is fixed, run the same command again",
        )


def _train(plan: Plan, jobs: Sequence[FullJob], run: tracking.Run) -> list[FullTraining | Failure]:
    """Returns the result of each job, in their order."""
    results: list[Any] = [_read(plan, job) for job in jobs]
    missing = [place for place, result in enumerate(results) if result is None]
    places = iter(missing)  # the threads share it
    num_done, title = len(jobs) - len(missing), f"{plan.study_name}: trainings in full"
    bar = tqdm(total=len(jobs), initial=num_done, desc=title, unit="training")

    def work(slot: int, stop: threading.Event) -> None:
        for place in places:
            results[place] = _run(plan, jobs[place], run, slot, stop)
            if stop.is_set():
                return
            bar.update()

    with bar:
        in_parallel(work, min(plan.params.search.workers, max(1, len(missing))))
    return results


def _run(
    plan: Plan, job: FullJob, run: tracking.Run, slot: int, stop: threading.Event
) -> FullTraining | Failure | None:
    on_test = ", test" if "test" in job.splits else ""
    name = f"{job.contender.name} in full, seed {plan.seeds[job.index]}{on_test}"
    params = plan.full_params(job.contender.settings, job.index)
    order = plan.order(params, name, (slot, plan.params.search.workers), run.run_id)
    stages, own_by = plan.stages(job.contender.schedule, job.index)
    order = replace(order, stages=stages, own_by=own_by)
    order = replace(order, splits=job.splits, pictures=_path(plan, job).with_suffix(""))
    outcome = process.run(order, lambda step, value: True, None, stop)
    if outcome.state == "stopped":
        return None
    if outcome.state == "failed":
        tracking.end_training(order.training_id, "FAILED", outcome.reason)
        return Failure(job.contender, outcome.reason, order.log)
    values, train_key = outcome.values or {}, outcome.train_key or ""
    training = FullTraining(job.contender, job.index, job.splits, values, train_key)
    with replacing(_path(plan, job)) as building:
        building.write_text(json.dumps(asdict(training), indent=2) + "\n")
    if own_by and outcome.train_key:
        discard(outcome.train_key)
    return training


def _path(plan: Plan, job: FullJob) -> Path:
    """Returns where a training is kept; its name is a digest of everything that it depends on."""
    params = plan.full_params(job.contender.settings, job.index)
    values = params.model_dump(mode="json", exclude={"search", "tune"})
    of = [values, job.splits, plan.identity["data"]]
    of += [job.contender.schedule] if job.contender.schedule else []
    text = json.dumps(of, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return storage.folder(plan.study_name) / "confirmed" / f"{digest}.json"


def _read(plan: Plan, job: FullJob) -> FullTraining | None:
    path = _path(plan, job)
    if not path.is_file():
        return None
    facts = json.loads(path.read_text())
    contender = Contender(**facts.pop("contender"))
    return FullTraining(contender, splits=tuple(facts.pop("splits")), **facts)


def pictures(plan: Plan, training: FullTraining) -> dict[str, Path]:
    """Returns the grids that a training in full left, PNG by name (see `trial.PICTURES`)."""
    job = FullJob(training.contender, training.index, training.splits)
    folder = _path(plan, job).with_suffix("")
    return {path.stem: path for path in sorted(folder.glob("*.png"))}
