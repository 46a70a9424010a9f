"""The shape of the code: floors, which library is used where, and that DVC watches all that a stage runs through."""

import ast
import functools
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STAGES = ["fetch", "validate", "features", "floor", "train", "evaluate", "report"]

ONLY_IN = {
    "mlflow": ("tracking/", "serving/script.py"),
    "optuna": ("stages/tune",),
    "great_expectations": ("stages/validate",),
    "dvc": (),
    "pickle": (),
    "pooch": ("downloads.py",),
    "matplotlib": ("stages/report/", "rate_distortion.py"),
    "jinja2": ("pages/",),
    "plotly": ("pages/", "stages/tune/"),
}
NOT_WATCHED = {"genlab", "genlab.cli", "genlab.__main__", "genlab.stopping"}
"""The command line only hands paths over, and stops: a new help text retrains nothing."""


@functools.cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("genlab")


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
    users = [path.relative_to(SOURCE / "genlab").as_posix() for path in modules() if library in imports_of(path)]
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


def file_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def watched(stage: str) -> list[Path]:
    plugins = {"${item.kind}": "*", "${data.name}": "*"}
    found = []
    for dep in dvc_stages()[stage]["deps"]:
        for placeholder, star in plugins.items():
            dep = dep.replace(placeholder, star)
        found += [
            path for match in sorted(ROOT.glob(dep)) for path in ([match] if match.is_file() else match.rglob("*"))
        ]
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_watches_all_that_a_stage_imports(stage: str) -> None:
    upstream = graph().find_upstream_modules(f"genlab.stages.{stage}") | {f"genlab.stages.{stage}"}
    upstream |= graph().find_descendants(f"genlab.stages.{stage}")
    for module in sorted(upstream):
        upstream |= graph().find_upstream_modules(module)
    needed = {file_of(module) for module in upstream - NOT_WATCHED}
    needed = {path for path in needed if path.read_text().count("\n") > 1}  # not the one-line __init__.py of a package
    missing = sorted(str(path.relative_to(ROOT)) for path in needed - set(watched(stage)))
    assert missing == [], f"dvc.yaml: stages.{stage}.deps lacks these files"


@pytest.mark.parametrize(
    ("stage", "folder"), [("train", "models"), ("evaluate", "models"), ("evaluate", "metrics"), ("fetch", "data")]
)
def test_dvc_watches_what_is_found_by_name(stage: str, folder: str) -> None:
    plugins = {path for path in (SOURCE / "genlab" / folder).glob("*.py") if path.name != "__init__.py"}
    assert plugins <= set(watched(stage))


def test_every_stage_has_a_file_of_its_name() -> None:
    assert sorted(dvc_stages()) == sorted(STAGES)
    for stage in STAGES:
        assert file_of(f"genlab.stages.{stage}").is_file()
