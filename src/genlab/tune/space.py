"""What is searched: `params.yaml: tune.<model>.space` as Optuna's distributions, checked."""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import Trial

from genlab.runtime.errors import InputError
from genlab.settings.params import ModelSettings, build_section
from genlab.settings.plugins import nearest

RANGE, CHOICES = ("low", "high", "log", "step"), "choices"
FIXED = {"kind": "the search is for one kind", "steps": "see tune.<model>.steps"}
"""Settings that a search cannot vary."""


@dataclass(frozen=True)
class Space:
    """Where a search may go.

    Attributes:
        distributions: By setting.
        choices: By setting that has choices, the values by what Optuna stores for them.
        present: The present settings as Optuna's parameters; they are trial 0.
        where: The entry, for errors: `params.yaml: tune.vae.space`.
    """

    distributions: dict[str, BaseDistribution]
    choices: dict[str, dict[Any, Any]]
    present: dict[str, Any]
    where: str

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the settings of Optuna's parameters: numbers with four significant digits."""
        return {key: self._setting(key, value) for key, value in params.items()}

    def _setting(self, key: str, value: Any) -> Any:
        if key in self.choices:
            return self.choices[key][value]
        if not isinstance(value, float):
            return value
        of: Any = self.distributions[key]
        return min(max(float(f"{value:.4g}"), of.low), of.high)

    def describe(self) -> dict[str, Any]:
        """Returns the space as JSON values: equal for equal spaces."""
        return {key: json.loads(distribution_to_json(of)) for key, of in self.distributions.items()}

    def grid(self) -> list[dict[str, Any]]:
        """Returns all points of a space of choices and steps, as Optuna's parameters.

        Raises:
            InputError: A setting has neither choices nor a step.
        """
        axes = {key: self._axis(key) for key in self.distributions}
        return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]

    def _axis(self, key: str) -> list[Any]:
        of: Any = self.distributions[key]
        if isinstance(of, CategoricalDistribution):
            return list(of.choices)
        if of.step is None or of.log:
            raise InputError(
                "a grid must have choices or a step for every setting",
                f"neither for {key!r}",
                f"See {self.where}.{key}",
            )
        if isinstance(of, IntDistribution):
            return list(range(of.low, of.high + 1, of.step))
        return np.linspace(of.low, of.high, round((of.high - of.low) / of.step) + 1).tolist()


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    """Has Optuna choose a parameter that the trial does not have yet."""
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    else:
        is_whole = isinstance(distribution, IntDistribution)
        choose: Any = trial.suggest_int if is_whole else trial.suggest_float
        choose(name, **{part: getattr(distribution, part) for part in RANGE})


def read(entries: Mapping[str, Mapping[str, Any]], settings: ModelSettings, where: str) -> Space:
    """Returns the space of a model.

    Args:
        entries: By setting `{low, high, log, step}` or `{choices}`.
        settings: The present ones; a range is of whole numbers if the present value is one.
        where: For errors: `"params.yaml: tune.vae.space"`.

    Raises:
        InputError: A setting or an argument is unknown, a range is empty, the model does not allow
            a value, or the present value lies outside.
    """
    present = settings.model_dump(mode="json")
    known = [name for name in type(settings).model_fields if name not in FIXED]
    distributions: dict[str, BaseDistribution] = {}
    choices: dict[str, dict[Any, Any]] = {}
    for key, entry in entries.items():
        if key not in known:
            raise InputError(
                f"{where} must name settings of the model",
                f"{key!r} ({FIXED.get(key, f'no such setting{nearest(key, known)}')})",
                f"Known: {', '.join(known)}. See {where}.{key}",
            )
        if CHOICES in entry:
            choices[key] = _choices(entry, f"{where}.{key}")
            distributions[key] = CategoricalDistribution(list(choices[key]))
        else:
            distributions[key] = _range(entry, present[key], f"{where}.{key}")
        allowed = choices[key].values() if key in choices else (entry["low"], entry["high"])
        for value in allowed:
            build_section(type(settings), present | {key: value}, where)
        if not _holds(distributions[key], _stored(present[key])):
            raise InputError(
                "the space must hold the present settings, which are trial 0",
                f"{key}={_stored(present[key])} outside of {dict(entry)}",
                f"See {where}.{key}",
            )
    return Space(distributions, choices, {key: _stored(present[key]) for key in entries}, where)


def _holds(distribution: Any, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    low, high = distribution.low, distribution.high
    return _is_number(value) and low <= value <= high and _is_steps(low, value, distribution.step)


def _is_steps(low: float, value: float, step: float | None) -> bool:
    """Whether whole steps lead from `low` to `value`, in decimal arithmetic: 0.1 + 3 x 0.3 = 1."""
    return not step or (Decimal(str(value)) - Decimal(str(low))) % Decimal(str(step)) == 0


def _stored(value: Any) -> Any:
    """Returns what Optuna stores for a choice: lists as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def _choices(entry: Mapping[str, Any], where: str) -> dict[Any, Any]:
    """Returns the values by what Optuna stores for them."""
    _check_names(entry, (CHOICES,), where)
    values = entry[CHOICES]
    if not isinstance(values, list) or not values:
        raise InputError(
            "choices must be a list of at least one value", f"{values!r}", f"See {where}"
        )
    return {_stored(value): value for value in values}


def _range(entry: Mapping[str, Any], present: Any, where: str) -> BaseDistribution:
    _check_names(entry, RANGE, where)
    for name in ("low", "high"):
        if not _is_number(entry.get(name)):
            received = repr(entry[name]) if name in entry else "none"
            raise InputError(f"{name} must be a number", received, f"See {where}.{name}")
    low = entry["low"]
    high = entry["high"]
    log = entry.get("log", False)
    step = entry.get("step")
    is_step = step is None or (_is_number(step) and step > 0 and not log)
    rules = (
        (low <= high, "low must be at most high", f"low={low}, high={high}", ""),
        (isinstance(log, bool), "log must be true or false", f"{log!r}", ".log"),
        (not log or low > 0, "low must be above 0 with log: true", f"low={low}", ".low"),
        (
            is_step,
            "step must be above 0, without log",
            f"step={step!r}{' and log: true' if log else ''}",
            ".step",
        ),
        (
            not is_step or _is_steps(low, high, step),
            "high must be low and some steps",
            f"low={low}, high={high}, step={step}",
            "",
        ),
    )
    for holds, expected, received, part in rules:
        if not holds:
            raise InputError(expected, received, f"See {where}{part}")
    if all(isinstance(value, int) for value in (present, low, high, step or 1)):
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(low, high, log=log, step=step)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_names(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in entry:
        if name not in known:
            hint = "" if name in (*RANGE, CHOICES) else nearest(name, (*RANGE, CHOICES))
            raise InputError(
                f"{where} must have {', '.join(RANGE)} or {CHOICES}",
                f"{name!r}{hint}",
                f"See {where}.{name}",
            )
