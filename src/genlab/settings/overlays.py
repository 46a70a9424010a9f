"""How layers of values are laid over each other, and how the file that holds them is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from genlab.runtime.errors import InputError
from genlab.settings.plugins import names, nearest


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file as DVC does (YAML 1.2: `1e-3` is a number).

    Raises:
        InputError: The file is missing or is not YAML.
    """
    try:
        values = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(
            f"{path} must be a file",
            "no such file",
            "Run from the repository's root",
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} must be a readable file",
            str(error.strerror),
            f"See {path}",
        ) from None
    except YAMLError as error:
        raise InputError(
            f"{path} must be YAML",
            str(" ".join(str(error).split())),
            f"See {path}",
        ) from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path} must map names to values",
            str(type(values).__name__),
            f"See {path}",
        )
    return values


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Returns a mapping as it is, and none as an empty one; anything else is refused with an InputError."""
    if not isinstance(value, Mapping | None):
        raise InputError(
            f"{where} must map names to values",
            f"{value!r}",
            f"See {where}",
        )
    return value or {}


def lay_over(values: dict[str, Any], overlay: Any, where: str) -> dict[str, Any]:
    """Returns the sections with those of an overlay laid over them; `models.<x>` applies to the model named `x`.

    Raises:
        InputError: The overlay has a key, or names a model, that is not there.
    """
    overlay = mapping(overlay, where)
    merged = _merge(
        values, {key: value for key, value in overlay.items() if key != "models"}, where
    )
    changes, entries = mapping(overlay.get("models"), f"{where}.models"), merged.get("models")
    if not isinstance(entries, Mapping):
        return merged
    known = [*names("models"), *entries]  # a model that was taken out may stay in the overlays
    for name, change in changes.items():
        mapping(change, f"{where}.models.{name}")
        if name not in known:
            raise InputError(
                f"{where}.models must name kinds or models{nearest(name, known)}",
                f"{name!r}",
                f"See {where}.models.{name}",
            )
    merged["models"] = {
        name: _merge(entry, changes.get(name) or {}, f"{where}.models.{name}")
        if isinstance(entry, Mapping)
        else entry
        for name, entry in entries.items()
    }
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], where: str) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if key not in base:
            raise InputError(
                f"{where} must have keys among {', '.join(base)}{nearest(key, base)}",
                repr(key),
                f"See {where}.{key}",
            )
        both = isinstance(value, Mapping) and isinstance(base[key], Mapping)
        merged[key] = _merge(base[key], value, f"{where}.{key}") if both else value
    return merged
