"""Where the code stands: the commit, and which settings differ from it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genlab.runtime.errors import InputError
from genlab.settings.overlays import read_yaml
from genlab.tracking.provenance import changed_files, git

PARAMS = "params.yaml"
"""Changes of this file are named setting by setting."""


@dataclass(frozen=True)
class Revision:
    """Where the code stands.

    Attributes:
        commit: The commit's hash; empty outside of a repository.
        is_clean: Whether the code is that commit's.
        overrides: Settings in `params.yaml` that the commit has not, as DVC writes them:
            `models.vae.kl_weight=2`.
    """

    commit: str = ""
    is_clean: bool = False
    overrides: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Returns from where the commands are to be run."""
        if not self.commit:
            return (
                "No git commit is known: with the code and the params.yaml that made this page, "
                "in its root:"
            )
        state = "" if self.is_clean else ", plus changes of the code that were not committed"
        return f"From commit {self.commit}{state}, in the repository's root:"


def of_working_directory() -> Revision:
    """Returns the revision of the working directory."""
    commit = git("rev-parse", "HEAD")
    if commit is None:
        return Revision()
    return Revision(commit, changed_files(PARAMS) == "", _overrides())


def _overrides() -> tuple[str, ...]:
    """Returns how `params.yaml` differs from the commit's."""
    committed = git("show", f"HEAD:./{PARAMS}")
    if committed is None or not Path(PARAMS).is_file():
        return ()
    try:
        now, before = _flat(read_yaml(Path(PARAMS))), _flat(_parse(committed))
    except InputError:
        return ()
    changed = [
        f"{'' if key in before else '+'}{key}={value}"
        for key, value in now.items()
        if before.get(key) != value
    ]
    return (*changed, *(f"~{key}" for key in before if key not in now))


def _parse(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
