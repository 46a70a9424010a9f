"""Writes the settings that a search found into params.yaml; comments and order stay."""

import difflib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, RoundTripRepresenter
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings.overlays import read_yaml

BEST = "best_params.yaml"


def read_best(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Returns the data set that the best settings were found on, and the settings.

    Raises:
        InputError: No search has ended, or it was of another model.
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
    return str(values["data"]), dict(values["models"][name])


def apply(path: Path, data: str, model: str, settings: Mapping[str, Any]) -> str:
    """Writes the settings of a model to `datasets.<data>.models.<model>` in `params.yaml`.

    Returns:
        The change as a unified diff; empty if there is none.

    Raises:
        InputError: The profile in use sets one of them, and would win.
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
    lines = difflib.unified_diff(
        old.splitlines(True), new.splitlines(True), str(path), str(path), n=0
    )
    return "".join(lines)


class _Representer(RoundTripRepresenter):
    """Writes None as `null`."""


_Representer.add_representer(
    type(None), lambda self, value: self.represent_scalar("tag:yaml.org,2002:null", "null")
)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.Representer = _Representer
    return yaml


def _dump(values: Any) -> str:
    text = io.StringIO()
    _yaml().dump(values, text)
    return text.getvalue()


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


def _take_over(old: str, plain: str, new: str) -> str:
    """Returns `old` with the changes that lead from `plain`, which is `old` dumped, to `new`.

    A dump writes some lines differently; these stay as they are in `old`.
    """
    lines = old.splitlines(True)
    before = plain.splitlines(True)
    after = new.splitlines(True)
    places = _places(before, lines)
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for kind, first, end, new_first, new_end in reversed(changes):
        if kind == "equal":
            continue
        while first - 1 not in places:  # the change grows to lines that `old` has as they are
            first -= 1
            new_first -= 1
        while end not in places:
            end += 1
            new_end += 1
        start = places[first - 1] + 1
        lines[start : places[end]] = after[new_first:new_end]
    return "".join(lines)


def _places(before: Sequence[str], lines: Sequence[str]) -> dict[int, int]:
    """Returns where a line of `before` stands in `lines`, by its number; both ends are there."""
    places = {-1: -1, len(before): len(lines)}
    matcher = difflib.SequenceMatcher(None, before, lines, autojunk=False)
    for block in matcher.get_matching_blocks():
        for index in range(block.size):
            places[block.a + index] = block.b + index
    return places


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
