"""Fits one model: runs its steps, records what is seen on the way, survives a kill, writes the trained model."""

import json
import math
import sys
import time
from dataclasses import asdict, dataclass

import keras
import tensorflow as tf
from tqdm import tqdm

from genlab.contract.capabilities import ChecksLosses
from genlab.contract.fields import read_arrays
from genlab.contract.steps import Model
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.training import result
from genlab.training.engine import NO_STEP, Engine
from genlab.training.feed import examples
from genlab.training.job import Job
from genlab.training.observer import Observer, Recorder, tell_again
from genlab.training.state import State

SUMMARY = "summary.json"
"""In the training's folder, once its result is complete."""

SECONDS_PER_CALL = 1.0
"""The compiled loop makes about so many seconds' worth of steps per call: Ctrl-C and checkpoints wait for its end."""


@dataclass(frozen=True)
class Summary:
    """What a finished training says of itself; nothing of it is hashed by DVC."""

    train_seconds: float
    images_per_second: float
    device: str
    first_step: int
    """Where the process that finished it began: 0, or the step of a checkpoint."""
    first_call_seconds: float
    """Of that process: until its first step is made, compiling included; building the model comes before."""


def fit(job: Job, recorder: Recorder) -> Summary:
    """Trains the model of `job`, from its newest checkpoint if there is one, and writes `<job.folder>/result`.

    A training that is finished is not repeated: the recorder is told what it was told then, and what the training said
    of itself is returned.

    Raises:
        FloatingPointError: A loss was not finite, or was impossible; the message names the step.
        InputError: The devices cannot share a batch equally, or the model has no such metric to monitor.
    """
    keras.utils.clear_session()  # layers are numbered from 0 again: their names are written with the weights
    if (job.folder / SUMMARY).is_file():
        result.drop_checkpoints(job)  # where a kill came before
        tell_again(job.folder / "result", recorder)
        return Summary(**json.loads((job.folder / SUMMARY).read_text()))
    devices.configure(job.training.precision, job.training.deterministic)
    strategy = devices.strategy()
    keras.utils.set_random_seed(job.seed)
    _check_shares(job, strategy.num_replicas_in_sync)
    with strategy.scope():
        model: Model = job.chapter.build(job.settings, job.spec)
        optimizers = model.make_optimizers()
        fields = read_arrays(job.data, "train", job.takes)
        resident_bytes = job.training.resident_megabytes * 2**20
        source = examples(fields, job.spec, job.seed, job.phases, resident_bytes)
        engine = Engine(model, optimizers, source, job.seed, job.binarisation)
        state = State(job, model, optimizers)
        _check_agreement(job, state.step, strategy)
        observer = Observer(job, model, recorder)
        if state.step == 0:
            observer.begin()
        summary = _run(engine, state, observer)
    if devices.is_chief():
        result.write(job, model, state)
        with replacing(job.folder / SUMMARY) as building:
            building.write_text(json.dumps(asdict(summary)))
    result.drop_checkpoints(job)
    return summary


def _check_shares(job: Job, num_devices: int) -> None:
    for phase in job.phases:
        if phase.batch_size % num_devices:
            raise InputError(
                f"batch_size must be a multiple of the {num_devices} devices",
                f"batch_size={phase.batch_size}",
                f"See params.yaml: models.{job.name}.batch_size",
            )


def _check_agreement(job: Job, step: int, strategy: tf.distribute.Strategy) -> None:
    """Sees to it that all processes of one training found the same checkpoint."""
    gather = lambda: tf.distribute.get_replica_context().all_gather(tf.constant([step]), axis=0)  # noqa: E731
    steps = sorted(
        set(strategy.experimental_local_results(strategy.run(gather))[0].numpy().tolist())
    )
    if len(steps) > 1:
        raise InputError(
            "all processes of a training must go on from the same step",
            f"steps {steps}",
            f"See {job.folder}: it must be on a disk that all of them share, or be removed on all of them",
        )


def _run(engine: Engine, state: State, observer: Observer) -> Summary:
    job, first_step, examples = state.job, state.step, engine.examples
    started, first_call = time.monotonic(), 0.0
    steps_per_call = 1
    with tqdm(
        total=job.steps, initial=first_step, desc=job.name, unit="step", mininterval=0.5
    ) as bar:
        while not state.is_over:
            stop = observer.stop_after(state.step)
            end = min(stop, examples.end_of_phase(state.step))
            count = min(end - state.step, steps_per_call, state.steps_to_checkpoint())
            called = time.monotonic()
            state.sums, first_bad = engine.run(state.step, count, state.sums)
            seconds = time.monotonic() - called
            first_call = first_call or time.monotonic() - started
            steps_per_call = _pace(count, seconds)
            if first_bad != NO_STEP:
                raise _not_finite(job, first_bad + 1)
            state.step += count
            bar.update(count)
            if state.step == stop:
                row = _look(engine.model, state, observer)
                num_images = examples.position(stop) - examples.position(first_step)
                rate = num_images / (time.monotonic() - started)
                bar.set_postfix_str(_postfix(row, rate), refresh=False)
            state.write_if_due()
    rate = examples.position(state.step) / state.seconds
    return Summary(state.seconds, rate, devices.describe(), first_step, first_call)


def _pace(num_steps: int, seconds: float) -> int:
    """Returns how many steps the next call makes, where one of `num_steps` took so many seconds.

    Several processes exchange gradients by their place in a call, so they must make the same calls: up to each stop.
    """
    return (
        max(1, int(num_steps * SECONDS_PER_CALL / seconds))
        if devices.num_processes() == 1
        else sys.maxsize
    )


def _look(model: Model, state: State, observer: Observer) -> dict[str, float]:
    """Adds a row to the record: the mean losses since the row before, and what is due at this step."""
    job, num_steps = state.job, state.step - (state.rows[-1]["step"] if state.rows else 0)
    row = {f"train/{name}": total / num_steps for name, total in state.sums.items()}
    _check_losses(job, model, row, state.step)
    seen = observer.look(state.step, row, state.histograms)
    if not all(math.isfinite(value) for value in seen.values()):
        raise _not_finite(job, state.step)
    state.add_row(row | seen)
    return row


def _postfix(row: dict[str, float], images_per_second: float) -> str:
    losses = (
        f"{name.removeprefix('train/')}={value:.4g}"
        for name, value in row.items()
        if "loss" in name
    )
    return f"{' '.join(losses)} {images_per_second:.0f} images/s"


def _check_losses(job: Job, model: Model, row: dict[str, float], step: int) -> None:
    if isinstance(model, ChecksLosses):
        try:
            model.check_losses({name.removeprefix("train/"): value for name, value in row.items()})
        except FloatingPointError as error:
            raise FloatingPointError(f"{job.name}: {error} Steps up to {step}.") from None


def _not_finite(job: Job, step: int) -> FloatingPointError:
    return FloatingPointError(
        f"{job.name}: the losses must be finite. Received: not a number or infinite at step {step}. "
        f"Lower the learning rate. See params.yaml: models.{job.name}."
    )
