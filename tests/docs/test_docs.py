"""The documents: generated pages are up to date, links work, every page is in the index."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").glob("*.ipynb")]
)


def module(name: str) -> ModuleType:
    """Returns a file of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_generated_pages_are_up_to_date() -> None:
    build = module("build")
    assert build.PAGE.read_text() == build.page(), "run: make docs"
    assert build.PIPELINE.read_text() == build.pipeline_page(), "run: make docs"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".ipynb")]
    assert [name for name in pages if name != "README.md" and f"]({name})" not in index] == []


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.fixture(scope="module")
def tutorial() -> NotebookNode:
    return nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)


def test_stored_notebook_was_run_as_it_is(tutorial: NotebookNode) -> None:
    """Every cell of code has its number, and their text is that which the output belongs to."""
    cells = [cell for cell in tutorial.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert tutorial.metadata["genlab_code_sha256"] == module("run_tutorial").code_sha256(
        tutorial
    ), "run: python docs/run_tutorial.py"


def test_stored_notebook_is_small_and_of_no_place(tutorial: NotebookNode) -> None:
    path = ROOT / "docs" / "tutorial.ipynb"
    assert path.stat().st_size < 1_000_000
    assert re.findall(r"/(?:home|root|tmp|work|Users)/", path.read_text()) == []
    pictures = [
        output
        for cell in tutorial.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 12
    assert [
        output
        for cell in tutorial.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_notebook_runs(tmp_path: Path) -> None:
    """Runs all cells in an empty folder; a cell that fails is an error of nbclient."""
    notebook = module("run_tutorial").run(tmp_path)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
