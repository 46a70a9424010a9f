"""Changes of values in a YAML file; comments, order and all other lines stay."""

import difflib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, RoundTripRepresenter

from genlab.runtime.files import replacing


def edit(path: Path, change: Callable[[Any], None]) -> str:
    """Changes a YAML file in one step, so that no kill leaves half of it.

    Args:
        path: The file.
        change: Changes its content, which is given as ruamel.yaml reads it for a round trip.

    Returns:
        The change as a unified diff; empty if there is none.
    """
    old = path.read_text()
    values = _yaml().load(old)
    plain = _dump(values)
    change(values)
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
