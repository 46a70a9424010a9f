"""The shape of the code: rooms, imports, names, and what DVC watches for each stage."""

import ast
import functools
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from ruamel.yaml import YAML

from genlab.settings import code

ROOT = Path(__file__).parents[1]
PACKAGE = code.PACKAGE

ONLY_IN = {
    "mlflow": ("tracking/", "trained/script.py"),
    "optuna": ("tune/",),
    "great_expectations": ("data/expectations.py",),
    "dvc": (),
    "pickle": (),
    "pooch": ("runtime/downloads.py",),
    "matplotlib": ("report/", "workflows/rate_distortion.py"),
    "jinja2": ("pages/",),
    "plotly": ("pages/", "tune/"),
}


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Returns the syntax tree of every file by its path in the package."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in paths}


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Yields every node of a kind with its file."""
    for name, tree in trees().items():
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, kind))


def calls(function: str) -> Iterator[tuple[str, ast.Call]]:
    for name, node in nodes(ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == function:
            yield f"{name}:{node.lineno}", node


@functools.cache
def imports() -> list[tuple[str, str]]:
    """Returns every file with each module, or name in a module, that it imports."""
    whole = [(name, alias.name) for name, node in nodes(ast.Import) for alias in node.names]
    return whole + [
        (name, f"{'.' * node.level}{node.module}.{alias.name}")
        for name, node in nodes(ast.ImportFrom)
        for alias in node.names
    ]


def room(file: str) -> str:
    """Returns the folder of a file, or the file at the top of the package."""
    return file.partition("/")[0]


# Libraries and habits


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_used_in_one_place(library: str) -> None:
    users = {name for name, module in imports() if module.partition(".")[0] == library}
    assert [user for user in users if not user.startswith(ONLY_IN[library] or "-")] == []


def test_imports_are_absolute() -> None:
    assert [(name, module) for name, module in imports() if module.startswith(".")] == []


def test_source_has_no_assert_and_no_eval() -> None:
    asserts = [f"{name}:{node.lineno}" for name, node in nodes(ast.Assert)]
    evaluated = [place for function in ("eval", "exec") for place, _ in calls(function)]
    assert asserts + evaluated == []


def test_what_a_model_can_do_is_asked_by_protocols() -> None:
    asked = [
        place
        for place, call in calls("hasattr")
        if ast.unparse(call.args[0]).rpartition(".")[2] in ("model", "network")
    ]
    assert asked == [], "ask isinstance(model, ...) of genlab.contract.capabilities"


def test_no_class_name_stands_twice() -> None:
    files = defaultdict(list)
    for name, node in nodes(ast.ClassDef):
        files[node.name].append(name)
    del files["Settings"]  # of every chapter and metric
    assert {name: where for name, where in files.items() if len(where) > 1} == {}


# Rooms


def lengths() -> dict[str, int]:
    return {name: len((PACKAGE / name).read_text().splitlines()) for name in trees()}


def test_files_are_short() -> None:
    assert {name: length for name, length in lengths().items() if length > 320} == {}


def test_rooms_are_few_and_none_is_too_large() -> None:
    sizes = Counter()
    for name, length in lengths().items():
        sizes[room(name)] += length
    assert len(sizes) <= 28
    largest, size = sizes.most_common(1)[0]
    assert size <= 0.16 * sizes.total(), largest


def test_imports_go_in_no_circle() -> None:
    files = {
        "genlab." + name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name
        for name in trees()
    }
    modules, rooms = nx.DiGraph(), nx.DiGraph()
    for name, module in imports():
        target = files.get(module) or files.get(module.rpartition(".")[0])
        if target and target != name:
            modules.add_edge(name, target)
            rooms.add_edge(room(name), room(target))
    rooms.remove_edges_from(nx.selfloop_edges(rooms))
    for graph in (modules, rooms):
        circles = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
        assert circles == []


# dvc.yaml

PLUGINS = {
    "fetch": ["datasets"],
    "validate": ["datasets"],
    "features": [],
    "floor": ["metrics"],
    "train": ["models"],
    "evaluate": ["datasets", "metrics", "models"],
    "repeat": ["datasets", "metrics", "models"],
    "report": [],
}
"""Rooms whose modules a stage finds by name."""
READ = {"report": {"models"}}
"""Rooms whose files a stage reads as text."""


def stages() -> dict[str, dict]:
    described = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage) for name, stage in described.items()}


def watched(stage: str) -> set[str]:
    """Returns the source files that DVC watches for a stage."""
    names: set[str] = set()
    code_deps = (dep for dep in stages()[stage]["deps"] if dep.startswith("src/"))
    for dep in code_deps:
        for path in ROOT.glob(dep.replace("${item.kind}", "*")):
            paths = path.rglob("*.py") if path.is_dir() else [path]
            names |= {each.relative_to(PACKAGE).as_posix() for each in paths}
    return names


def needed(stage: str) -> set[str]:
    """Returns the source files that a stage runs through, but for the docstrings of packages."""
    paths = code.files(f"stages.{stage}", *PLUGINS[stage])
    names = {path.relative_to(PACKAGE).as_posix() for path in paths}
    return {name for name in names if len(trees()[name].body) > 1}


def test_every_stage_has_a_file_of_its_name() -> None:
    assert sorted(stages()) == sorted(PLUGINS)
    for stage in PLUGINS:
        assert (PACKAGE / "stages" / f"{stage}.py").is_file()


@pytest.mark.parametrize("stage", PLUGINS)
def test_dvc_watches_what_a_stage_runs_through(stage: str) -> None:
    missing = needed(stage) - watched(stage)
    assert missing == set(), f"dvc.yaml: stages.{stage}.deps lacks these files"
    idle = set(map(room, watched(stage))) - set(map(room, needed(stage))) - READ.get(stage, set())
    assert idle == set(), f"dvc.yaml: stages.{stage}.deps names these rooms for nothing"


def test_code_takes_few_lines_of_dvc_yaml() -> None:
    lines = (ROOT / "dvc.yaml").read_text().splitlines()
    assert sum("- src/genlab" in line for line in lines) <= 75
