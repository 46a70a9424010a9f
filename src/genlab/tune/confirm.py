"""The best trials and the present settings in full: the winner is chosen on validation images, judged on test."""

import hashlib
import json
import statistics
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tqdm import tqdm

from genlab import tracking
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.tune import process, storage, study
from genlab.tune.loop import SETTINGS, in_parallel
from genlab.tune.plan import Plan
from genlab.tune.study import Study

PRESENT = "present"


@dataclass(frozen=True)
class Contender:
    """Settings that are trained in full: the present ones, or a trial's."""

    name: str
    number: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Training:
    """One training in full. `values` are by name: `test/prior/frechet_distance`, `train_seconds`."""

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
    """Who was tried in full, who failed in it, who won, and both sides' trainings with every seed."""

    finalists: list[Training]
    failed: list[Failure]
    winner: Contender
    present: list[Training]
    won: list[Training]


def confirm(plan: Plan, searched: Study, run: tracking.Run) -> Confirmation:
    """Trains the finalists once, then winner and present settings with every seed; what is done is not repeated.

    Args:
        plan: What is searched.
        searched: The study; its trials are over.
        run: The study's MLflow run.

    Raises:
        InputError: No trial is complete, or a training of the present settings or of the winner failed.
    """
    ranking = searched.ranking()
    if not ranking:
        reasons = sorted(
            {
                trial.user_attrs.get(study.REASON, "pruned")
                for trial in study.settled(searched.trials)
            }
        )
        raise InputError(
            "a study must have a complete trial",
            f"none ({'; '.join(reasons)[:300]})",
            f"See params.yaml: tune.{plan.name}, and the logs in {storage.folder(plan.study_name)}",
        )
    present = Contender(PRESENT, 0, plan.space.settings(plan.space.present))
    others = [
        Contender(f"trial {trial.number}", trial.number, trial.user_attrs[SETTINGS])
        for trial in ranking
    ]
    sides = [present]
    for each in others:
        if all(each.settings != side.settings for side in sides):
            sides.append(each)
    sides = sides[: 1 + plan.params.search.finalists]
    tried = _train(plan, [(side, 0, ("validation",)) for side in sides], run)
    failed = [each for each in tried if isinstance(each, Failure)]
    _check_none([each for each in failed if each.contender == present])
    finalists = [each for each in tried if isinstance(each, Training)]
    winner = _best(plan, finalists).contender
    won = _judge(plan, [present] if winner == present else [present, winner], run)
    return Confirmation(finalists, failed, winner, won[present.name], won[winner.name])


def _judge(plan: Plan, sides: Sequence[Contender], run: tracking.Run) -> dict[str, list[Training]]:
    """Trains each side with every seed, and measures it on validation and test."""
    splits = ("validation", "test")
    jobs = [
        (side, index, splits) for index in range(plan.params.search.num_seeds) for side in sides
    ]
    done = _train(plan, jobs, run)
    _check_none([each for each in done if isinstance(each, Failure)])
    return {
        side.name: [each for each in done if isinstance(each, Training) and each.contender == side]
        for side in sides
    }


def _check_none(failed: Sequence[Failure]) -> None:
    for each in failed:
        raise InputError(
            "a training in full must succeed",
            f"{each.contender.name}: {each.reason}",
            f"See {each.log}. When that is mended, the same command goes on",
        )


def _best(plan: Plan, trainings: Sequence[Training]) -> Training:
    objective = plan.objectives[0]
    sign = 1 if objective.direction == "minimize" else -1
    return min(trainings, key=lambda each: sign * objective.of(each.values))


Job = tuple[Contender, int, tuple[str, ...]]


def _train(plan: Plan, jobs: Sequence[Job], run: tracking.Run) -> list[Training | Failure]:
    """Returns what came of each job, in their order; trainings that are kept are not made again."""
    found: dict[int, Training | Failure] = {}
    queue: SimpleQueue[int] = SimpleQueue()
    for place, job in enumerate(jobs):
        kept = _read(plan, job)
        if kept:
            found[place] = kept
        else:
            queue.put(place)
    bar = tqdm(
        total=len(jobs),
        initial=len(found),
        desc=f"{plan.study_name}: trainings in full",
        unit="training",
    )

    def work(slot: int, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                place = queue.get_nowait()
            except Empty:
                return
            done = _run(plan, jobs[place], run, slot, stop)
            if done is None:
                return
            found[place] = done
            bar.update()

    with bar:
        in_parallel(work, min(plan.params.search.workers, max(1, len(jobs) - len(found))))
    return [found[place] for place in range(len(jobs))]


def _run(
    plan: Plan, job: Job, run: tracking.Run, slot: int, stop: threading.Event
) -> Training | Failure | None:
    contender, index, splits = job
    name = f"{contender.name} in full, seed {plan.params.seed + index}{', test' if 'test' in splits else ''}"
    share, pictures = (slot, plan.params.search.workers), _path(plan, job).with_suffix("")
    order = plan.full_order(contender.settings, index, splits, name, share, run.run_id, pictures)
    outcome = process.run(order, lambda step, value: True, None, stop)
    if outcome.state == "stopped":
        return None
    if outcome.state == "failed":
        tracking.end_training(order.training_id, "FAILED", outcome.reason)
        return Failure(contender, outcome.reason, order.log)
    done = Training(contender, index, splits, outcome.values or {}, outcome.train_key or "")
    with replacing(_path(plan, job)) as building:
        building.write_text(json.dumps(asdict(done), indent=2) + "\n")
    return done


def _path(plan: Plan, job: Job) -> Path:
    """Returns where a training is kept: named by all that it depends on."""
    contender, index, splits = job
    params = plan.full_params(contender.settings, index)
    parts = [
        params.model_dump(mode="json", exclude={"search", "tune"}),
        splits,
        plan.identity["data"],
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return storage.folder(plan.study_name) / "confirmed" / f"{digest}.json"


def _read(plan: Plan, job: Job) -> Training | None:
    path = _path(plan, job)
    if not path.is_file():
        return None
    facts = json.loads(path.read_text())
    contender = Contender(**facts.pop("contender"))
    return Training(contender, splits=tuple(facts.pop("splits")), **facts)


def pictures(plan: Plan, training: Training) -> dict[str, Path]:
    """Returns the grids that a training in full has left, PNG by name: those of `trial.PICTURES` that there are."""
    folder = _path(plan, (training.contender, training.index, training.splits)).with_suffix("")
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


@dataclass(frozen=True)
class Difference:
    """Winner against present settings by one number: means and standard deviations over seeds."""

    name: str
    present: float
    present_deviation: float
    winner: float
    winner_deviation: float
    improvement: float
    spread: float

    @property
    def is_larger_than_spread(self) -> bool:
        """Whether the improvement is larger than the standard deviation of a difference between two trainings."""
        return self.improvement > self.spread


def differences(plan: Plan, found: Confirmation) -> list[Difference]:
    """Returns the differences by each objective, on validation and on test."""
    numbers: dict[str, tuple[list[float], list[float], int]] = {}
    for objective in plan.objectives:
        sign = 1 if objective.direction == "minimize" else -1
        for split in ("validation", "test"):
            sides = [
                [objective.of(each.values, split) for each in side]
                for side in (found.present, found.won)
            ]
            numbers[f"{split} {objective.name}"] = (sides[0], sides[1], sign)
    return [difference(name, *parts) for name, parts in numbers.items()]


def difference(
    name: str, present: Sequence[float], winner: Sequence[float], sign: int
) -> Difference:
    """Returns how one number of both sides differs; `sign` is 1 where low is good, -1 where high is."""
    means, deviations = [
        [f(side) for side in (present, winner)] for f in (statistics.mean, statistics.stdev)
    ]
    spread = (deviations[0] ** 2 + deviations[1] ** 2) ** 0.5
    return Difference(
        name, means[0], deviations[0], means[1], deviations[1], sign * (means[0] - means[1]), spread
    )


def metrics_of(trainings: Sequence[Training]) -> Mapping[str, list[float]]:
    """Returns the numbers of all seeds by name, those that each of them has."""
    names = [name for name in trainings[0].values if all(name in each.values for each in trainings)]
    return {name: [each.values[name] for each in trainings] for name in names}
