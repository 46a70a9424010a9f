"""What is the user's own stays: every option that names a folder or file to write."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from genlab import cli
from genlab.cli.group import FOLDER, OUT

ROOT = Path(__file__).parents[2]
JOINED = {
    ("train", "timings"),
    ("rate-distortion", "out"),
    ("tune", "out"),
}
"""Folders that files are put into, beside what is there: by command and parameter."""
GIVEN = {"model": "vae", "--format": "savedmodel", "--features": "digits-v1", "--trials": "1"}
"""Values of parameters that are no paths."""


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def paths_of(command: click.Command) -> list[click.Parameter]:
    return [one for one in command.params if isinstance(one.type, click.Path)]


def outputs() -> Iterator[tuple[str, str]]:
    for name, command in cli.main.commands.items():
        for parameter in paths_of(command):
            if parameter.type is OUT:
                yield name, str(parameter.name)


def test_every_path_is_declared_as_read_or_written() -> None:
    for name, command in cli.main.commands.items():
        for parameter in paths_of(command):
            assert parameter.type in (FOLDER, OUT), f"{name}: {parameter.name}"
            assert parameter.name != "out" or parameter.type is OUT, name


def arguments(command: click.Command, written: str, folder: str) -> Iterator[str]:
    """Yields a call in which this option names a folder, and all other paths are missing."""
    for parameter in command.params:
        name, option = str(parameter.name), parameter.opts[0]
        is_path = isinstance(parameter.type, click.Path)
        value = folder if name == written else f"missing/{name}" if is_path else GIVEN.get(option)
        if value is not None:
            if isinstance(parameter, click.Option):
                yield option
            yield value


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder of the user's pictures, and one of models under other names."""
    monkeypatch.setattr(cli.group.stopping, "install", lambda: None)
    shutil.copy(ROOT / "params.yaml", workplace)
    for path in ("mine/picture.png", "mine/sub/dataset.json", "mine/metrics.json"):
        (workplace / path).parent.mkdir(parents=True, exist_ok=True)
        (workplace / path).write_text(path)
    return workplace


@pytest.mark.parametrize(("name", "parameter"), list(outputs()))
def test_no_command_touches_a_folder_of_the_users(place: Path, name: str, parameter: str) -> None:
    call = [name, *arguments(cli.main.commands[name], parameter, "mine")]
    before = contents(place)
    result = CliRunner().invoke(cli.main, call)
    after = contents(place)
    assert {path: after[path] for path in before} == before
    assert (result.exit_code, result.stderr.count("error: ")) == (1, 1), result.output
    line = result.stderr.splitlines()[-1]
    if (name, parameter) not in JOINED:
        assert line.startswith("error: mine must be "), line
        assert line.endswith("Choose another place; nothing was removed."), line
        assert after == before


@pytest.mark.parametrize("command", ["score", "translate", "validate", "floor"])
def test_no_output_is_an_input_or_a_file_in_one(place: Path, command: str) -> None:
    parameters = cli.main.commands[command].params
    before = contents(place)
    for out in ("mine", "mine/picture.png", "sub/../mine"):
        call = [command]
        for parameter in parameters:
            if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Path):
                call += [parameter.opts[0], out if parameter.type is OUT else "mine"]
            elif value := GIVEN.get(parameter.opts[0]):
                call += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0]]
                call += [value] if isinstance(parameter, click.Option) else []
        result = CliRunner().invoke(cli.main, call)
        assert result.exit_code == 1, result.output
        assert "must not be what" in result.stderr, result.output
        assert "Traceback" not in result.output
    assert contents(place) == before
