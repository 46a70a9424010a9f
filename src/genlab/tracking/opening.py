"""Opens the runs of trainings, scorings and studies, and closes them with the right status."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from filelock import Timeout

from genlab.runtime import stopping
from genlab.runtime.errors import one_line
from genlab.tracking import looking, provenance, store
from genlab.tracking.journal import Entry, Journal
from genlab.tracking.run import Run
from genlab.tracking.system_metrics import SystemMetrics


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What a training's run shows.

    Attributes:
        train_key: One hash of everything that the training depends on.
        training_id: With the same id an unfinished run continues; a finished one is never reopened.
        name: The model's name in `params.yaml`.
        kind: The model's chapter.
        params: Nested; logged flat: `training.precision`.
        data: The description of the fetched data set.
        tags: More tags of the run.
        run_name: By default the model's name.
        experiment: By default `experiment_name()`.
    """

    train_key: str
    training_id: str
    name: str
    kind: str
    params: Mapping[str, Any]
    data: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    run_name: str | None = None
    experiment: str | None = None


@contextmanager
def training_run(training: TrainingRecord) -> Iterator[Run]:
    """Opens a training's run; closes it as FINISHED, FAILED (the reason is a tag) or KILLED."""
    identity, data = training.training_id, training.data
    journal = _unfinished(identity)
    if journal is None:
        own = _tags("training", training.train_key, training.name, training.kind)
        own |= {"genlab.training_id": identity, "genlab.data_hash": data["sha256"]}
        start = _start(own | dict(training.tags), training.params, training.experiment)
        start |= {"name": training.run_name or training.name, "training_id": identity}
        start["dataset"] = {
            "name": data["name"],
            "digest": data["sha256"],
            "image_shape": data["image_shape"],
            "num_images": data["num_images"],
            "source": data["citation"],
        }
        journal = Journal.create(start)
    with _closing(Run(journal, SystemMetrics()), journal) as run:
        yield run


@contextmanager
def scoring_run(*, train_key: str, name: str, kind: str, protocol: str) -> Iterator[Run]:
    """Opens the run that takes a trained model's scores.

    It is the newest finished training of this `train_key`. If there is none, or if it holds scores
    of another protocol (a hash or a short text), they go to a run of their own, linked by the tag
    `genlab.train_key`. Scoring again with the same protocol adds nothing. The status of a
    training's run stays; how the scoring ended is its tag `genlab.scoring`.
    """
    start = _start(_tags("scoring", train_key, name, kind) | {"genlab.protocol": protocol})
    journal = Journal.create(start | {"name": name, "protocol": protocol})
    with _closing(Run(journal), journal) as run:
        yield run


@contextmanager
def study_run(
    *,
    name: str,
    model: str,
    kind: str,
    params: Mapping[str, Any],
    study_id: str | None = None,
    experiment: str | None = None,
) -> Iterator[Run]:
    """Opens the run of a study of several trainings; runs made in the block are its children.

    They are not if MLflow is out of reach at that moment.

    Args:
        name: The study's: `rate-distortion`.
        model: The model's name in `params.yaml`.
        kind: The model's chapter.
        params: What the study varies; logged flat.
        study_id: With the same id the study continues, finished or not; by default it is new.
        experiment: By default `experiment_name()`.
    """
    identity = study_id or uuid.uuid4().hex
    journal = _unfinished(identity)
    if journal is None:
        own = _tags("study", identity, model, kind) | {"genlab.training_id": identity}
        start = _start(own, params, experiment)
        journal = Journal.create(start | {"name": name, "training_id": identity})
    with _closing(Run(journal), journal) as run, provenance.children_of(run.run_id):
        yield run


def end_training(
    training_id: str, status: str, reason: str | None = None, tags: Mapping[str, str] | None = None
) -> None:
    """Ends the run of a training that was killed or paused, if it has one, with more tags."""
    journal = _unfinished(training_id)
    if journal is not None:
        try:
            run = Run(journal)
            if tags:
                run.set_tags(tags)
            run.end(status, reason)
        finally:
            journal.holder.release()


def _tags(run: str, train_key: str, model: str, kind: str) -> dict[str, str]:
    values = {"run": run, "train_key": train_key, "model": model, "kind": kind}
    return {f"genlab.{key}": value for key, value in values.items()}


def _start(
    tags: Mapping[str, str], params: Mapping[str, Any] | None = None, experiment: str | None = None
) -> Entry:
    uri = store.present_uri()
    looking.check_form(uri)
    return {
        "uri": store.portable(uri),
        "experiment": experiment or store.experiment_name(),
        "train_key": tags["genlab.train_key"],
        "tags": {**provenance.tags(), **{key: str(value) for key, value in tags.items()}},
        "params": provenance.flatten(params or {}),
    }


def _unfinished(training_id: str) -> Journal | None:
    """Returns this training's journal, held, with a `resume` entry; None if it needs a new run."""
    for journal in reversed(Journal.all()):
        with suppress(FileNotFoundError):  # another process sent and removed it: finished
            if journal.start.get("training_id") != training_id or journal.status == "FINISHED":
                continue
            try:
                journal.holder.acquire(timeout=0)
            except Timeout:
                return None  # another process trains with it
            journal.repair()
            journal.append({"type": "resume"})
            return journal
    return None


@contextmanager
def _closing(run: Run, journal: Journal) -> Iterator[Run]:
    try:
        run.flush()
        yield run
    except BaseException as error:
        run.end(*_outcome(error))
        raise
    else:
        run.end(run.status_at_end)
    finally:
        journal.holder.release()


def _outcome(error: BaseException) -> tuple[str, str | None]:
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "FINISHED", None
    is_signal = isinstance(error, SystemExit) and error.code in stopping.EXIT_CODES
    if is_signal or isinstance(error, KeyboardInterrupt | GeneratorExit):
        return "KILLED", one_line(error)
    return "FAILED", one_line(error)
