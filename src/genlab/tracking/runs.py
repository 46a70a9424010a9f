"""Opens the runs of trainings and scorings, and closes them with the right status."""

import dataclasses
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

from filelock import Timeout

from genlab.runtime import stopping
from genlab.tracking import provenance, store
from genlab.tracking.journal import Entry, Journal
from genlab.tracking.run import Run, one_line
from genlab.tracking.system_metrics import SystemMetrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """The images of a training: the digest of all of them, images per split, and where they came from."""

    name: str
    digest: str
    image_shape: tuple[int, ...]
    num_images: Mapping[str, int]
    source: str

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """Returns what the description of a fetched data set says of it."""
        return cls(
            name=description["name"],
            digest=description["sha256"],
            image_shape=tuple(description["image_shape"]),
            num_images=description["num_images"],
            source=description["citation"],
        )


@contextmanager
def training_run(
    *,
    train_key: str,
    training_id: str,
    name: str,
    kind: str,
    params: Mapping[str, Any],
    dataset: Dataset,
    tags: Mapping[str, str] | None = None,
    run_name: str | None = None,
    experiment: str | None = None,
) -> Iterator[Run]:
    """Opens the run of a training; closes it as FINISHED, FAILED (with the reason as a tag) or KILLED.

    Args:
        train_key: What the training depends on, as one hash.
        training_id: Kept beside the local checkpoints: with the same one an unfinished run goes on; a finished one is
            never reopened.
        name: The model's name in `params.yaml`.
        kind: The model's chapter.
        params: Nested; logged flat, as `training.precision` and the like.
        dataset: The images.
        tags: More tags of the run.
        run_name: By default the model's name.
        experiment: By default `experiment_name()`.
    """
    journal = _unfinished(training_id)
    if journal is None:
        more = {
            "genlab.training_id": training_id,
            "genlab.data_hash": dataset.digest,
            **(tags or {}),
        }
        start = _start("training", train_key, name, kind, more, experiment) | {
            "name": run_name or name
        }
        start |= {"training_id": training_id, "dataset": dataclasses.asdict(dataset)}
        journal = Journal.create(start | {"params": provenance.flatten(params)})
    with _closing(Run(journal, SystemMetrics()), journal) as run:
        yield run


@contextmanager
def scoring_run(*, train_key: str, name: str, kind: str, protocol: str) -> Iterator[Run]:
    """Opens the run that takes a trained model's scores; the newest finished training of this `train_key` if possible.

    Where there is none, or where it holds scores of another protocol, the scores go to a run of their own that is
    linked by the tag `genlab.train_key`. Scoring again with the same protocol adds nothing. The status of a
    training's run stays; how the scoring ended is its tag `genlab.scoring`.

    Args:
        train_key: As of the training.
        name: The model's name in `params.yaml`.
        kind: The model's chapter.
        protocol: What the scores depend on beside the model, as a hash or a short text.
    """
    start = _start("scoring", train_key, name, kind, {"genlab.protocol": protocol})
    journal = Journal.create(start | {"protocol": protocol, "params": {}})
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
    """Opens the run of a study of several trainings; the runs that are made in the block are folded under it.

    Where MLflow is out of reach at that moment they stand beside it.

    Args:
        name: Of the study: `rate-distortion`.
        model: The model's name in `params.yaml`.
        kind: The model's chapter.
        params: What the study varies; logged flat.
        study_id: With the same one the study goes on in the run that it had, finished or not; none: a new one.
        experiment: By default `experiment_name()`.
    """
    identity = study_id or uuid.uuid4().hex
    journal = _unfinished(identity)
    if journal is None:
        start = _start("study", identity, model, kind, {"genlab.training_id": identity}, experiment)
        start |= {"name": name, "training_id": identity, "params": provenance.flatten(params)}
        journal = Journal.create(start)
    with _closing(Run(journal), journal) as run, provenance.children_of(run.run_id):
        yield run


def end_training(training_id: str, status: str, reason: str) -> None:
    """Ends the run of a training whose process was killed, as FAILED or KILLED; where there is one."""
    journal = _unfinished(training_id)
    if journal is not None:
        try:
            Run(journal).end(status, reason)
        finally:
            journal.holder.release()


def _start(
    what: str,
    train_key: str,
    name: str,
    kind: str,
    tags: Mapping[str, str],
    experiment: str | None = None,
) -> Entry:
    own = {
        "genlab.run": what,
        "genlab.train_key": train_key,
        "genlab.model": name,
        "genlab.kind": kind,
    }
    return {
        "uri": store.address(store.present_uri()),
        "experiment": experiment or store.experiment_name(),
        "train_key": train_key,
        "name": name,
        "tags": {**provenance.tags(), **own, **{key: str(value) for key, value in tags.items()}},
    }


def _unfinished(training_id: str) -> Journal | None:
    """Returns the held journal of this training with a `resume` entry, or None where it must begin a new run."""
    for journal in reversed(Journal.all()):
        with suppress(FileNotFoundError):  # sent and removed by another process: finished
            if journal.start.get("training_id") != training_id or journal.status == "FINISHED":
                continue
            try:
                journal.holder.acquire(timeout=0)
            except Timeout:
                return None  # another process trains with it
            journal.mend()
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
        run.end("FINISHED")
    finally:
        journal.holder.release()


def _outcome(error: BaseException) -> tuple[str, str | None]:
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "FINISHED", None
    is_signal = isinstance(error, SystemExit) and error.code in stopping.EXIT_CODES
    if is_signal or isinstance(error, KeyboardInterrupt | GeneratorExit):
        return "KILLED", one_line(error)
    return "FAILED", one_line(error)
