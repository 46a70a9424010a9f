"""Takes the settings that a search has found into params.yaml; comments and order stay."""

import difflib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, RoundTripRepresenter
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings.overlays import read_yaml

BEST = "best_params.yaml"


def read_best(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Returns the data set that the best settings were found on, and these.

    Raises:
        InputError: No search of the model has ended, or the one there was of another model.
    """
    path = folder / BEST
    if not path.is_file():
        raise InputError(
            f"{path} must be there",
            "none",
            f"Run: genlab tune {name} --trials 30",
        )
    values = read_yaml(path)
    if name not in values["models"]:
        raise InputError(
            f"{path} must be of a search of {name}",
            str(", ".join(values["models"])),
            "Give --study another name",
        )
    return str(values["data"]), dict(values["models"][name])


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
    old = path.read_text()
    values = _yaml().load(old)
    plain = _dump(values)
    _check_profile(values, model, settings, path)
    _set(values, data, model, settings)
    new = _take_over(old, plain, _dump(values))
    if new != old:
        with replacing(path.resolve()) as building:
            building.write_text(new)
    return "".join(
        difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(path), str(path), n=0)
    )


class _Representer(RoundTripRepresenter):
    """Writes `null` where nothing is."""


_Representer.add_representer(
    type(None), lambda self, value: self.represent_scalar("tag:yaml.org,2002:null", "null")
)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.Representer = _Representer
    return yaml


def _dump(values: Any) -> str:
    text = io.StringIO()
    _yaml().dump(values, text)
    return text.getvalue()


def _set(values: Any, data: str, model: str, settings: Mapping[str, Any]) -> None:
    """Sets what is not so already; new entries are written in braces, as the others of the section are."""
    place, base = values, values["models"][model]
    known = (
        (((values.get("datasets") or {}).get(data) or {}).get("models") or {}).get(model)
    ) or {}
    changed = {key: value for key, value in settings.items() if known.get(key, base[key]) != value}
    if not changed:
        return
    for key in ("datasets", data, "models", model):
        if place.get(key) is None or not len(place[key]):
            place[key] = CommentedMap()
            if key == model:
                place[key].fa.set_flow_style()
        place = place[key]
    for key, value in changed.items():
        place[key] = CommentedSeq(value) if isinstance(value, list) else value
        if isinstance(value, list):
            place[key].fa.set_flow_style()


def _take_over(old: str, plain: str, new: str) -> str:
    """Returns `old` with those lines changed in which `new` differs from `plain`, which is `old` as it is dumped."""
    lines, before, after = old.splitlines(True), plain.splitlines(True), new.splitlines(True)
    place: dict[int, int] = {
        -1: -1,
        len(before): len(lines),
    }  # of a dumped line among the old ones
    for block in difflib.SequenceMatcher(None, before, lines, autojunk=False).get_matching_blocks():
        place |= {block.a + index: block.b + index for index in range(block.size)}
    for kind, first, end, new_first, new_end in reversed(
        difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    ):
        if kind == "equal":
            continue
        while first - 1 not in place:
            first, new_first = first - 1, new_first - 1
        while end not in place:
            end, new_end = end + 1, new_end + 1
        lines[place[first - 1] + 1 : place[end]] = after[new_first:new_end]
    return "".join(lines)


def _check_profile(
    values: Mapping[str, Any], model: str, settings: Mapping[str, Any], path: Path
) -> None:
    profile = values["profile"]
    overlay = (values["profiles"].get(profile) or {}).get("models", {}).get(model) or {}
    for key in settings:
        if key in overlay:
            raise InputError(
                "the profile in use must not set what was searched",
                f"{profile}, which sets {key}",
                f"See {path}: profiles.{profile}.models.{model}.{key}",
            )
