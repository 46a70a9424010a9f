"""Writes settings into params.yaml, where they are read for this data set; comments and order stay."""

import difflib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from genlab.errors import InputError
from genlab.files import replacing


def apply(path: Path, data: str, model: str, settings: Mapping[str, Any]) -> str:
    """Writes the settings of a model to `datasets.<data>.models.<model>`, which wins over `models.<model>`.

    Args:
        path: `params.yaml`.
        data: The data set that they were found on.
        model: A model's name.
        settings: By key.

    Returns:
        What has changed, as a unified diff; nothing where all was so already.

    Raises:
        InputError: The profile in use sets one of them: it would win.
    """
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    old = path.read_text()
    values = yaml.load(old)
    _check_profile(values, model, settings, path)
    base, place = values["models"][model], values
    for key in ("datasets", data, "models", model):
        if place.get(key) is None:
            place[key] = CommentedMap()
        place = place[key]
    for key, value in settings.items():
        if place.get(key, base[key]) != value:
            place[key] = value
    if not place:
        return ""
    text = io.StringIO()
    yaml.dump(values, text)
    new = text.getvalue()
    with replacing(path.resolve()) as building:
        building.write_text(new)
    return "".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(path), str(path), n=0))


def _check_profile(values: Mapping[str, Any], model: str, settings: Mapping[str, Any], path: Path) -> None:
    profile = values["profile"]
    overlay = (values["profiles"].get(profile) or {}).get("models", {}).get(model) or {}
    for key in settings:
        if key in overlay:
            raise InputError(
                f"the profile in use must not set what was searched. Received: {profile}, which sets {key}. "
                f"See {path}: profiles.{profile}.models.{model}.{key}."
            )
