"""The shape of the code: floors, which library is used where, and that DVC watches all that a stage runs through."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from genlab.settings import code

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STAGES = ["fetch", "validate", "features", "floor", "train", "evaluate", "report"]

ONLY_IN = {
    "mlflow": ("tracking/", "trained/script.py"),
    "optuna": ("tune/",),
    "great_expectations": ("data/expectations.py",),
    "dvc": (),
    "pickle": (),
    "pooch": ("data/downloads.py",),
    "matplotlib": ("report/", "workflows/rate_distortion.py"),
    "jinja2": ("pages/",),
    "plotly": ("pages/", "tune/"),
}


def modules() -> list[Path]:
    return sorted((SOURCE / "genlab").rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_used_in_one_place(library: str) -> None:
    users = [
        path.relative_to(SOURCE / "genlab").as_posix()
        for path in modules()
        if library in imports_of(path)
    ]
    assert [user for user in users if not user.startswith(ONLY_IN[library] or "-")] == []


def test_no_assert_and_no_eval_in_source() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (is_call and node.func.id in ("eval", "exec")), f"{path}:{node.lineno}"


def test_files_are_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > 320} == {}


def dvc_stages() -> dict[str, dict]:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


PLUGINS = {
    "fetch": ["datasets"],
    "validate": ["datasets"],
    "floor": ["metrics"],
    "train": ["models"],
}
PLUGINS["evaluate"] = ["datasets", "metrics", "models"]
"""Rooms whose modules a stage finds by name."""


def watched(stage: str) -> set[Path]:
    """Returns the source files that DVC watches for a stage."""
    watched_files: set[Path] = set()
    for dep in dvc_stages()[stage]["deps"]:
        for path in ROOT.glob(dep.replace("${item.kind}", "*").replace("${data.directory}", "-")):
            watched_files |= {path} if path.is_file() else set(path.rglob("*.py"))
    return watched_files


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_watches_all_that_a_stage_runs_through(stage: str) -> None:
    needed = set(code.files(f"stages.{stage}", *PLUGINS.get(stage, [])))
    empty = {
        path for path in needed if path.name == "__init__.py" and path.read_text().count("\n") == 1
    }
    missing = sorted(str(path.relative_to(ROOT)) for path in needed - empty - watched(stage))
    assert missing == [], f"dvc.yaml: stages.{stage}.deps lacks these files"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_watches_no_room_that_a_stage_does_not_run_through(stage: str) -> None:
    rooms = {
        path.relative_to(code.PACKAGE).parts[0]
        for path in watched(stage)
        if code.PACKAGE in path.parents
    }
    needed = {
        path.relative_to(code.PACKAGE).parts[0]
        for path in code.files(f"stages.{stage}", *PLUGINS.get(stage, []))
    }
    assert rooms - needed - {"models"} == set()


def test_code_takes_few_lines_of_dvc_yaml() -> None:
    lines = (ROOT / "dvc.yaml").read_text().splitlines()
    assert sum("- src/genlab" in line for line in lines) <= 60


def test_every_stage_has_a_file_of_its_name() -> None:
    assert sorted(dvc_stages()) == sorted(STAGES)
    for stage in STAGES:
        assert (code.PACKAGE / "stages" / f"{stage}.py").is_file()
