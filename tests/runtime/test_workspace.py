"""Where a user without a home folder keeps things."""

import os
import pwd
import tempfile
from pathlib import Path
from typing import Any

import pytest

from genlab.runtime import workspace


def unknown(user: int) -> Any:
    raise KeyError(user)


@pytest.mark.parametrize("home", [None, "/proc/none", "own"])
def test_home_is_made_where_there_is_none(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "put back")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", str(workplace / home))
    (workplace / "own").mkdir()
    cache = workspace.user_cache()
    expected = workplace / ("own" if home == "own" else ".genlab/home")
    assert cache == expected / ".cache" / "genlab"
    assert os.environ["HOME"] == str(expected)
    assert expected.is_dir()


def test_home_is_a_passing_one_where_the_workspace_is_read_only(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(workplace / "none"))
    (workplace / ".genlab").write_text("no folder can be made here")
    monkeypatch.setattr(tempfile, "tempdir", str(workplace))
    workspace.settle_home()
    home = Path(os.environ["HOME"])
    assert home.is_dir()
    assert home.parent == workplace
    assert home.name.startswith("genlab-home-")
