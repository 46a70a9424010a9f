"""Writes the settings that a search found into params.yaml; comments and order stay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from genlab.runtime import yaml_editing
from genlab.runtime.errors import InputError
from genlab.settings.overlays import read_yaml

BEST = "best_params.yaml"


def read_best(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Returns the data set that the best settings were found on, and the settings.

    Raises:
        InputError: No search has ended, it was of another model, or the winner is a schedule.
    """
    path = folder / BEST
    if not path.is_file():
        raise InputError(f"{path} must be there", "none", f"Run: genlab tune {name} --trials 30")
    values = read_yaml(path)
    if name not in values["models"]:
        raise InputError(
            f"{path} must be of a search of {name}",
            ", ".join(values["models"]),
            "Give --study another name",
        )
    if stages := values.get("schedule"):
        raise InputError(
            "the winner must be one choice of settings, which an entry of params.yaml can hold",
            f"a schedule of {len(stages)}",
            f"See {path}: schedule",
        )
    return str(values["data"]), dict(values["models"][name])


def apply(path: Path, data: str, model: str, settings: Mapping[str, Any]) -> str:
    """Writes the settings of a model to `datasets.<data>.models.<model>` in `params.yaml`.

    Returns:
        The change as a unified diff; empty if there is none.

    Raises:
        InputError: The profile in use, or a size of the images, sets one of them, and would win.
    """

    def change(values: Any) -> None:
        _check_overlays(values, data, model, settings, path)
        _set(values, data, model, settings)

    return yaml_editing.edit(path, change)


def _set(values: Any, data: str, model: str, settings: Mapping[str, Any]) -> None:
    """Sets what differs; a new entry is written in braces, as the others of the section are."""
    keys = ("datasets", data, "models", model)
    present = values
    for key in keys:
        present = (present or {}).get(key)
    present = {**values["models"][model], **(present or {})}
    changed = {key: value for key, value in settings.items() if present[key] != value}
    if not changed:
        return
    place = values
    for key in keys:
        if not place.get(key):
            place[key] = CommentedMap()
            if key == model:
                place[key].fa.set_flow_style()
        place = place[key]
    for key, value in changed.items():
        place[key] = CommentedSeq(value) if isinstance(value, list) else value
        if isinstance(value, list):
            place[key].fa.set_flow_style()


def _check_overlays(
    values: Mapping[str, Any], data: str, model: str, settings: Mapping[str, Any], path: Path
) -> None:
    """Raises an InputError if a layer that is laid over the data set's sets one of the settings."""
    sizes = ((values.get("datasets") or {}).get(data) or {}).get("sizes") or {}
    layers = {f"datasets.{data}.sizes.{size}": layer for size, layer in sizes.items()}
    layers[f"profiles.{values['profile']}"] = values["profiles"].get(values["profile"])
    for name, layer in layers.items():
        overlay = ((layer or {}).get("models") or {}).get(model) or {}
        for key in settings:
            if key in overlay:
                raise InputError(
                    "a layer that wins must not set what was searched",
                    f"{name}, which sets {key}",
                    f"See {path}: {name}.models.{model}.{key}",
                )
