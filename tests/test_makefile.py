"""The Makefile in places that are not a fresh clone; nothing is run."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(workplace: Path) -> Path:
    """A folder with the Makefile and an environment, without git."""
    (workplace / "Makefile").write_text((ROOT / "Makefile").read_text())
    (workplace / "requirements.lock").touch()
    (workplace / ".venv").mkdir()
    (workplace / ".venv" / ".installed-cpu").write_text(f"{workplace / '.venv'}\n")
    return workplace


def planned(place: Path, *words: str) -> list[str]:
    """Returns the commands that `make` would run."""
    process = subprocess.run(
        ["make", "--dry-run", "PYTHON=python3", *words],
        cwd=place,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(place.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout.splitlines()


def test_without_git_dvc_works_without(place: Path) -> None:
    commands = "\n".join(planned(place, "run"))
    assert commands.index("core.no_scm true") < commands.index("dvc repro")
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    assert "--unset core.no_scm" in "\n".join(planned(place, "run"))


def test_environment_of_another_place_is_made_anew(place: Path) -> None:
    assert "venv --clear" not in "\n".join(planned(place, "setup"))
    moved = place.rename(place.with_name("moved here"))
    assert "venv --clear" in "\n".join(planned(moved, "setup"))


def test_user_without_a_home_gets_one(place: Path) -> None:
    words = ["make", "--dry-run", "--print-data-base", "help"]
    kept = {name: value for name, value in os.environ.items() if name != "HOME"}
    for home in ({}, {"HOME": str(place / "missing")}):
        text = subprocess.run(
            words, cwd=place, env=kept | home, capture_output=True, text=True
        ).stdout
        assert f"HOME := {place}/.genlab/home" in text
