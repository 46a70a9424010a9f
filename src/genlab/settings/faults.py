"""What is wrong with a section of parameters, in one line."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from genlab.runtime.errors import InputError
from genlab.settings.plugins import nearest

Fault = Mapping[str, Any]
"""As pydantic describes it: `type`, `loc` (keys and indices), `msg`, `input`."""


def first_of(error: ValidationError, section: type[BaseModel], where: str) -> InputError:
    """Returns the first fault; an unknown key comes before the missing key that it stands for.

    Args:
        error: What pydantic says.
        section: What was to be built.
        where: Where its values were read: `"params.yaml: "` or `"params.yaml: models.vae"`.
    """
    faults: list[Fault] = list(error.errors())
    fault = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    root = where if where.endswith(": ") else f"{where}."
    place, parent = (
        (root + ".".join(map(str, keys))).rstrip(". :")
        for keys in (fault["loc"], fault["loc"][:-1])
    )
    if fault["type"] == "extra_forbidden":
        expected, received = _unknown_key(fault, section, parent)
    elif fault["type"] == "missing":
        expected, received = f"{parent} must have the key {fault['loc'][-1]!r}", "none"
    elif fault["type"] == "value_error":
        expected, received = _broken_rule(fault)
    else:
        expected, received = _bad_value(fault)
    others = f" ({len(faults) - 1} more after this one)" if len(faults) > 1 else ""
    return InputError(expected, received, f"See {place}{others}")


def _unknown_key(fault: Fault, section: Any, parent: str) -> tuple[str, str]:
    *parents, key = fault["loc"]
    for name in parents:
        is_map = get_origin(section) is dict  # of entries that are all alike
        section = get_args(section)[1] if is_map else section.model_fields[name].annotation
    known = list(section.model_fields)
    return f"{parent} must have keys among {', '.join(known)}{nearest(key, known)}", repr(key)


def _broken_rule(fault: Fault) -> tuple[str, str]:
    """Returns what a validator of ours says: `... must .... Received: ...`."""
    message = fault["msg"].removeprefix("Value error, ")
    expected, _, received = message.partition(". Received: ")
    return expected, received or repr(fault["input"])


def _bad_value(fault: Fault) -> tuple[str, str]:
    *parents, key = fault["loc"]
    name = f"{parents[-1]}[{key}]" if isinstance(key, int) else key
    rule = fault["msg"].replace("Input should be", "must be")
    rule = rule.replace("greater than or equal to", "at least")
    return f"{name} {rule}", f"{name}={fault['input']!r}"
