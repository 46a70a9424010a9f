"""What is searched: `params.yaml: tune.<model>.space` as Optuna's distributions, checked against the settings."""

import itertools
import json
import math
from collections.abc import Callable, Mapping
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

from genlab.runtime.errors import InputError
from genlab.settings.params import ModelSettings, build_section
from genlab.settings.plugins import nearest

RANGE, CHOICES = ("low", "high", "log", "step"), "choices"
FIXED = {"kind": "it is what is searched", "steps": "see tune.<model>.steps"}
"""Settings that a search cannot vary."""


@dataclass(frozen=True)
class Space:
    """Distributions by setting, the choices behind their names, and where trial 0 stands: at the present settings."""

    distributions: dict[str, BaseDistribution]
    choices: dict[str, dict[Any, Any]]
    present: dict[str, Any]
    where: str

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the settings that Optuna's parameters stand for: numbers to four digits, as they can be written."""
        return {key: self._setting(key, value) for key, value in params.items()}

    def _setting(self, key: str, value: Any) -> Any:
        if key in self.choices:
            return self.choices[key][value]
        if not isinstance(value, float):
            return value
        low, high = _ends(self.distributions[key])
        return min(max(float(f"{value:.4g}"), low), high)

    def describe(self) -> dict[str, Any]:
        """Returns the space as JSON takes it: equal for equal spaces."""
        return {
            key: json.loads(distribution_to_json(each)) for key, each in self.distributions.items()
        }

    def grid(self) -> list[dict[str, Any]]:
        """Returns all points of a space of choices and steps, as Optuna's parameters.

        Raises:
            InputError: A setting has neither choices nor a step.
        """
        axes = {key: self._axis(key, each) for key, each in self.distributions.items()}
        return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]

    def _axis(self, key: str, distribution: BaseDistribution) -> list[Any]:
        if isinstance(distribution, CategoricalDistribution):
            return list(distribution.choices)
        if isinstance(distribution, IntDistribution) and not distribution.log:
            return list(range(distribution.low, distribution.high + 1, distribution.step))
        if isinstance(distribution, FloatDistribution) and distribution.step:
            number = round((distribution.high - distribution.low) / distribution.step) + 1
            return [
                float(value) for value in np.linspace(distribution.low, distribution.high, number)
            ]
        raise InputError(
            "a grid must have choices or a step for every setting",
            f"neither for {key!r}",
            f"See {self.where}.{key}",
        )


def read(entries: Mapping[str, Mapping[str, Any]], settings: ModelSettings, where: str) -> Space:
    """Returns the space of a model.

    Args:
        entries: By setting `{low, high, log, step}` or `{choices}`.
        settings: The model's present ones; a range of whole numbers is of a setting that is one.
        where: For errors: `"params.yaml: tune.vae.space"`.

    Raises:
        InputError: A setting or an argument is unknown, a range is none, a value is not allowed for the model, or the
            present value lies outside; the message is one line.
    """
    present, known = settings.model_dump(mode="json"), type(settings).model_fields
    distributions, choices = {}, {}
    for key, entry in entries.items():
        if key not in known or key in FIXED:
            why = FIXED.get(key, f"no such setting{nearest(key, known)}")
            searchable = ", ".join(name for name in known if name not in FIXED)
            raise InputError(
                f"{where} must name settings of the model",
                f"{key!r} ({why})",
                f"Known: {searchable}. See {where}.{key}",
            )
        distributions[key], named = _distribution(entry, present[key], f"{where}.{key}")
        if named:
            choices[key] = named
        for value in named.values() if named else (entry["low"], entry["high"]):
            build_section(type(settings), present | {key: value}, where)
    at = {key: _name(present[key]) for key in entries}
    for key, distribution in distributions.items():
        if not _holds(distribution, at[key]):
            raise InputError(
                "the space must hold the present settings, which are trial 0",
                f"{key}={present[key]} outside of {dict(entries[key])}",
                f"See {where}.{key}",
            )
    return Space(distributions, choices, at, where)


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    low, high = _ends(distribution)
    if not _is_number(value) or not low <= value <= high:
        return False
    return _is_whole(low, value, getattr(distribution, "step"))  # noqa: B009


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    return getattr(distribution, "low"), getattr(distribution, "high")  # noqa: B009 - of both kinds of ranges


def _is_whole(low: float, value: float, step: float | None) -> bool:
    """Says whether a number of steps leads from `low` to `value`; as people reckon, who know no binary fractions."""
    return not step or (Decimal(str(value)) - Decimal(str(low))) % Decimal(str(step)) == 0


def _name(value: Any) -> Any:
    """Returns what Optuna stores for a choice: lists as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def _distribution(
    entry: Mapping[str, Any], present: Any, where: str
) -> tuple[BaseDistribution, dict[Any, Any]]:
    """Returns the distribution, and for choices the values by what Optuna stores for them."""
    if CHOICES in entry:
        _check_names(entry, (CHOICES,), where)
        values = entry[CHOICES]
        if not isinstance(values, list) or not values:
            raise InputError(
                "choices must be a list of at least one value",
                f"{values!r}",
                f"See {where}",
            )
        named = {_name(value): value for value in values}
        return CategoricalDistribution(list(named)), named
    _check_names(entry, RANGE, where)
    for name in ("low", "high"):
        if not _is_number(entry.get(name)):
            received = "none" if name not in entry else repr(entry[name])
            raise InputError(
                f"{name} must be a number",
                str(received),
                f"See {where}.{name}",
            )
    return _range(entry, present, where), {}


def _range(entry: Mapping[str, Any], present: Any, where: str) -> BaseDistribution:
    low, high, log, step = entry["low"], entry["high"], entry.get("log", False), entry.get("step")
    if low > high:
        raise InputError(
            "low must be at most high",
            f"low={low}, high={high}",
            f"See {where}",
        )
    if not isinstance(log, bool):
        raise InputError(
            "log must be true or false",
            f"{log!r}",
            f"See {where}.log",
        )
    if log and low <= 0:
        raise InputError(
            "low must be above 0 with log: true",
            f"low={low}",
            f"See {where}.low",
        )
    if step is not None and (not _is_number(step) or step <= 0 or log):
        also = " and log: true" if log else ""
        raise InputError(
            "step must be above 0, without log",
            f"step={step!r}{also}",
            f"See {where}.step",
        )
    if not _is_whole(low, high, step):
        received = f"low={low}, high={high}, step={step}"
        raise InputError(
            "high must be low and some steps",
            str(received),
            f"See {where}",
        )
    whole = [isinstance(value, int) for value in (present, low, high, step or 1)]
    kind: Callable[..., BaseDistribution] = IntDistribution if all(whole) else FloatDistribution
    more = {"step": step} if step is not None else {}
    return kind(low, high, log=log, **more)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_names(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in entry:
        if name not in known:
            every = (*RANGE, CHOICES)
            hint = nearest(name, every) if name not in every else ""
            raise InputError(
                f"{where} must have {', '.join(RANGE)} or {CHOICES}",
                f"{name!r}{hint}",
                f"See {where}.{name}",
            )
