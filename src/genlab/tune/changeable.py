"""Whether a setting can change in the middle of a training, as a population changes it.

A model with the new value takes over the variables of the old one. So the setting must be no part
of them: built with the same seed, the model and its optimizers begin with the same variables, and
its training has the same phases. Nothing is declared; the models are built and compared. A constant
learning rate is a variable of Keras's optimizer, and is left out: a training that goes on takes it
from the settings.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from optuna.distributions import CategoricalDistribution

from genlab.contract.steps import Phase
from genlab.runtime.errors import InputError
from genlab.settings.params import build_section
from genlab.training import Job
from genlab.training.job import phases_of, takes_of
from genlab.tune.space import Space


class Beginning(NamedTuple):
    """What a training begins with."""

    phases: tuple[Phase, ...]
    takes: tuple[str, ...]
    variables: list[np.ndarray]


def check(space: Space, job: Job) -> None:
    """Raises an InputError if a setting of the space cannot change in the middle of a training."""
    present = _begin(job, {})
    for name, of in space.distributions.items():
        ends = of.choices if isinstance(of, CategoricalDistribution) else (of.low, of.high)  # type: ignore[attr-defined]
        for value in ends:
            setting = space.choices[name][value] if name in space.choices else value
            if reason := _difference(present, _begin(job, {name: setting})):
                raise InputError(
                    "a population must search settings that can change in the middle of a training",
                    f"{name}, with which {reason}",
                    f"See {space.where}.{name}, or take search.method: halving",
                )


def _begin(job: Job, changes: dict[str, Any]) -> Beginning:
    entry = job.settings.model_dump(mode="json") | changes
    settings = build_section(job.chapter.Settings, entry, "params.yaml: tune")
    keras.utils.clear_session()
    keras.utils.set_random_seed(job.seed)
    model = job.chapter.build(settings, job.spec)
    variables = list(model.variables)
    for _, optimizer in sorted(model.make_optimizers().items()):
        rate = optimizer.learning_rate
        variables += [variable for variable in optimizer.variables if variable is not rate]
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    return Beginning(phases_of(job.chapter, settings), takes_of(job.chapter, settings), values)


def _difference(one: Beginning, other: Beginning) -> str:
    """Returns what differs; nothing if nothing does."""
    if one.phases != other.phases or one.takes != other.takes:
        return "steps or batches are others"
    if [value.shape for value in one.variables] != [value.shape for value in other.variables]:
        return "the networks are others"
    pairs = zip(one.variables, other.variables, strict=True)
    is_equal = all(np.array_equal(value, same) for value, same in pairs)
    return "" if is_equal else "the first weights are others"
