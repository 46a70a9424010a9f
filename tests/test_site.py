"""The site of `make docs`, from the real pages and a small package: complete, offline, strict."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
LAMP = '''"""A desk."""


def lamp(brightness: float) -> str:
    """Returns the colour of the lamp."""
'''
MODULES = {"__init__": '"""House."""', "rooms/__init__": '"""Rooms."""', "rooms/desk": LAMP}


def make_project(folder: Path) -> Path:
    """Returns a copy of the documents, with the package `genlab` made of `MODULES`."""
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "mkdocs.yml", *ROOT.glob("*.md")):
        shutil.copy(path, folder)
    for name, text in MODULES.items():
        path = folder / "src" / "genlab" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def build(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    project = make_project(tmp_path_factory.mktemp("site"))
    done = build(project)
    assert done.returncode == 0, done.stderr
    return project / "site"


def test_every_page_and_module_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    documents = ROOT / "docs"
    names = (path.relative_to(documents).with_suffix("") for path in documents.rglob("*.md"))
    assert {name.as_posix() for name in names} - {"README"} <= pages
    assert {"index", "project", "CONTRIBUTING", "CHANGELOG", "tutorial", "decisions/index"} <= pages
    assert {"api/index", "api/rooms/index", "api/rooms/desk"} <= pages
    assert "Returns the colour of the lamp." in (site / "api" / "rooms" / "desk.html").read_text()


def test_links_out_of_docs_lead_to_pages(site: Path) -> None:
    assert 'href="project.html#results"' in (site / "results.html").read_text()
    assert 'href="decisions/index.html"' in (site / "project.html").read_text()
    assert 'href="metrics.html"' in (site / "tutorial.html").read_text()


def test_notebook_and_pipeline_are_drawn(site: Path) -> None:
    assert (site / "tutorial.html").read_text().count("data:image/png;base64,") >= 12
    pipeline = (site / "pipeline.html").read_text()
    assert "mermaid" not in pipeline
    assert pipeline.count("<rect") == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "text", "complaint"),
    [
        ("gpu.md", "[gone](gone.md)", "'gone.md'"),
        ("gpu.md", "[gone](how-to.md#gone)", "'how-to.md#gone'"),
        ("alone.md", "# In no chapter", "alone.md"),
    ],
)
def test_broken_link_and_page_in_no_chapter_fail(
    tmp_path: Path, page: str, text: str, complaint: str
) -> None:
    project = make_project(tmp_path)
    with (project / "docs" / page).open("a") as file:
        file.write(f"\n{text}\n")
    done = build(project)
    assert done.returncode != 0
    assert complaint in done.stderr


@pytest.fixture(scope="module")
def browser() -> Any:
    """A headless browser."""
    if not CHROMIUM.is_file():
        pytest.skip(f"needs {CHROMIUM}: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def test_site_works_from_the_disk_and_fetches_nothing(site: Path, browser: Any) -> None:
    """The search finds a section; no request leaves the machine."""
    from playwright.sync_api import TimeoutError as TooSlow

    requests: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    for name in ("pipeline", "tutorial", "api/rooms/desk", "index"):
        page.goto((site / f"{name}.html").as_uri())
    for _ in range(60):  # what is typed before the index is there is not searched for
        page.fill(".md-search__input", "")
        page.type(".md-search__input", "colour of the lamp")
        with suppress(TooSlow):
            page.locator(".md-search-result__item >> text=desk").first.wait_for(timeout=1000)
            break
    assert page.locator(".md-search-result__item >> text=desk").count() == 1
    page.close()
    assert len(requests) > 20
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
