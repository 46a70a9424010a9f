"""How layers of values are laid over each other, and how the file that holds them is read."""

from collections.abc import Mapping, Sequence
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
    see = f"See {path}"
    try:
        values = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        run = "Run from the repository's root"
        raise InputError(f"{path} must be a file", "no such file", run) from None
    except OSError as error:
        raise InputError(f"{path} must be a readable file", str(error.strerror), see) from None
    except YAMLError as error:
        raise InputError(f"{path} must be YAML", " ".join(str(error).split()), see) from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must map names to values", type(values).__name__, see)
    return values


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Returns a mapping, an empty one for None; anything else raises an InputError."""
    if not isinstance(value, Mapping | None):
        raise InputError(f"{where} must map names to values", repr(value), f"See {where}")
    return value or {}


def lay_over(values: dict[str, Any], overlay: Any, where: str) -> dict[str, Any]:
    """Returns the sections with an overlay's over them; `models.<x>` applies to the model `x`.

    Raises:
        InputError: The overlay has a key, or names a model, that does not exist.
    """
    sections = dict(mapping(overlay, where))
    where_models = f"{where}.models"
    changes = mapping(sections.pop("models", None), where_models)
    merged = _merge(values, sections, where)
    if not isinstance(merged.get("models"), Mapping):
        return merged  # which `Params` refuses
    entries = dict(merged["models"])
    known = [*names("models"), *entries]  # an overlay may be of a model that was taken out
    for name, change in changes.items():
        change = mapping(change, f"{where_models}.{name}")
        if name not in known:
            expected = f"{where_models} must name kinds or models{nearest(name, known)}"
            raise InputError(expected, repr(name), f"See {where_models}.{name}")
        if isinstance(entries.get(name), Mapping):
            entries[name] = _merge(entries[name], change, f"{where_models}.{name}")
    return merged | {"models": entries}


def lay_dataset_over(
    values: dict[str, Any], overlay: Any, where: str, image_shape: Sequence[int] | None
) -> dict[str, Any]:
    """Returns the sections with a data set's overlay over them, and that of the images' size.

    Of `sizes` it is the largest that the shorter side of the images reaches.

    Raises:
        InputError: An overlay has a key, or names a model, that does not exist.
    """
    sections = dict(mapping(overlay, where))
    where_sizes = f"{where}.sizes"
    sizes = mapping(sections.pop("sizes", None), where_sizes)
    values = lay_over(values, sections, where)
    side = min(image_shape[:2]) if image_shape else 0
    chosen, largest = values, 0
    for size, changes in sizes.items():
        if not isinstance(size, int) or size < 1:
            expected = f"{where_sizes} must name numbers of pixels"
            raise InputError(expected, repr(size), f"See {where_sizes}")
        sized = lay_over(values, changes, f"{where_sizes}.{size}")  # each is checked
        if largest < size <= side:
            chosen, largest = sized, size
    return chosen


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], where: str) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if key not in base:
            expected = f"{where} must have keys among {', '.join(base)}{nearest(key, base)}"
            raise InputError(expected, repr(key), f"See {where}.{key}")
        both = isinstance(value, Mapping) and isinstance(base[key], Mapping)
        merged[key] = _merge(base[key], value, f"{where}.{key}") if both else value
    return merged
