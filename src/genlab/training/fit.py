"""Fits one model: runs its steps, records them, survives a kill, writes the trained model."""

import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from typing import NamedTuple

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
from genlab.training.observer import Observer, Recorder, replay
from genlab.training.state import State

SUMMARY = "summary.json"
"""Name of a file in the training's folder; it exists once the result is complete."""

SECONDS_PER_CALL = 1.0
"""Approximate time of one call of the compiled loop: Ctrl-C and checkpoints wait for its end."""


@dataclass(frozen=True)
class Summary:
    """Facts about a finished training that DVC does not hash.

    Attributes:
        train_seconds: Duration, over all processes that resumed it.
        images_per_second: Mean speed.
        device: Number, kind and name of the devices.
        first_step: First step of the process that finished it: 0, or the step of a checkpoint.
        first_call_seconds: Time of that process from the built model to the end of the first call,
            compiling included.
    """

    train_seconds: float
    images_per_second: float
    device: str
    first_step: int
    first_call_seconds: float


class Pause(NamedTuple):
    """Where a training stops for now.

    Attributes:
        step: The number of steps that it makes in all. From the last one on it is no pause.
        start: A checkpoint of at least so many steps must be there.
        is_shown: Whether the model of this step is written as the result.
    """

    step: int
    start: int = 0
    is_shown: bool = True


def fit(job: Job, recorder: Recorder, pause: Pause | None = None) -> Summary:
    """Trains a model, from its newest checkpoint if there is one, and writes `<job.folder>/result`.

    A finished training is not repeated: its record is replayed to the recorder, and its summary is
    returned. A training that was paused ends with the bytes of one that was not.

    Raises:
        FloatingPointError: A loss is not finite or impossible; the message names the step.
        InputError: The devices cannot share a batch equally, the model lacks the monitored metric,
            or the checkpoint of `pause.start` is lost.
    """
    keras.utils.clear_session()  # number the layers from 0: their names are stored with the weights
    if (job.folder / SUMMARY).is_file():
        result.drop_checkpoints(job)  # a kill may have left them
        replay(job.folder / "result", recorder)
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
        _check_start(job, state.step, pause)
        observer = Observer(job, model, recorder)
        if state.step == 0:
            observer.begin()
        summary = _run(engine, state, observer, pause.step if pause else job.steps)
    if pause and not state.is_over:
        if devices.is_chief():
            state.pause()
            if pause.is_shown:
                result.write(job, model, state)
        return summary
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
    """Raises an InputError if the processes of a training have different checkpoints."""

    def gather() -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(tf.constant([step]), axis=0)

    values = strategy.experimental_local_results(strategy.run(gather))[0]
    steps = sorted(set(values.numpy().tolist()))
    if len(steps) > 1:
        raise InputError(
            "all processes of a training must go on from the same step",
            f"steps {steps}",
            f"Put {job.folder} on a disk that all of them share, or delete it on all of them",
        )


def _check_start(job: Job, step: int, pause: Pause | None) -> None:
    if pause and step < pause.start:
        raise InputError(
            f"the checkpoint of step {pause.start} must be there",
            f"one of step {step}",
            f"It was lost or damaged in {job.folder}",
        )


def _run(engine: Engine, state: State, observer: Observer, last_step: int) -> Summary:
    job = state.job
    examples = engine.examples
    first_step = state.step
    start_time = time.monotonic()
    first_call = 0.0
    steps_per_call = 1
    options = {"desc": job.name, "unit": "step", "mininterval": 0.5}
    with tqdm(total=job.steps, initial=first_step, **options) as bar:
        while state.step < last_step and not state.is_over:
            stop = observer.stop_after(state.step)
            end = min(stop, examples.end_of_phase(state.step))
            limits = (last_step - state.step, steps_per_call, state.steps_to_checkpoint())
            count = min(end - state.step, *limits)
            call_time = time.monotonic()
            state.sums, first_bad = engine.run(state.step, count, state.sums)
            seconds = time.monotonic() - call_time
            first_call = first_call or time.monotonic() - start_time
            steps_per_call = _steps_per_call(count, seconds)
            if first_bad != NO_STEP:
                raise _not_finite(job, first_bad + 1)
            state.step += count
            bar.update(count)
            if state.step == stop:
                row = _observe(engine.model, state, observer)
                num_images = examples.position(stop) - examples.position(first_step)
                rate = num_images / (time.monotonic() - start_time)
                bar.set_postfix_str(_postfix(row, rate), refresh=False)
            state.write_if_due()
    seconds = state.seconds
    rate = examples.position(state.step) / seconds
    return Summary(seconds, rate, devices.describe(), first_step, first_call)


def _steps_per_call(num_steps: int, seconds: float) -> int:
    """Returns the length of the next call, given the length and the time of the last one.

    Several processes exchange gradients by their order in a call, so all must make the same calls:
    each up to the next stop.
    """
    if devices.num_processes() > 1:
        return sys.maxsize
    return max(1, int(num_steps * SECONDS_PER_CALL / seconds))


def _observe(model: Model, state: State, observer: Observer) -> dict[str, float]:
    """Adds a row: the mean losses since the last row, and the validation if it is due."""
    job = state.job
    num_steps = state.step - (state.rows[-1]["step"] if state.rows else 0)
    row = {f"train/{name}": total / num_steps for name, total in state.sums.items()}
    _check_losses(job, model, row, state.step)
    validation = observer.look(state.step, row, state.histograms)
    if not all(math.isfinite(value) for value in validation.values()):
        raise _not_finite(job, state.step)
    state.add_row(row | validation)
    return row


def _postfix(row: dict[str, float], images_per_second: float) -> str:
    losses = (
        f"{name.removeprefix('train/')}={value:.4g}"
        for name, value in row.items()
        if "loss" in name
    )
    return f"{' '.join(losses)} {images_per_second:.0f} images/s"


def _check_losses(job: Job, model: Model, row: dict[str, float], step: int) -> None:
    if not isinstance(model, ChecksLosses):
        return
    try:
        model.check_losses({name.removeprefix("train/"): value for name, value in row.items()})
    except FloatingPointError as error:
        raise FloatingPointError(f"{job.name}: {error} Steps up to {step}.") from None


def _not_finite(job: Job, step: int) -> FloatingPointError:
    return FloatingPointError(
        f"{job.name}: the losses must be finite. "
        f"Received: not a number or infinite at step {step}. "
        f"Lower the learning rate. See params.yaml: models.{job.name}."
    )
