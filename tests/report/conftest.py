"""The outputs of three small models, and the pages of them, made once."""

import shutil
from pathlib import Path

import pytest
from report_workspace import render, write_outputs


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of outputs, and the pages of them."""
    root = tmp_path_factory.mktemp("rendered")
    write_outputs(root)
    render(root)
    return root


@pytest.fixture
def laboratory(rendered: Path, tmp_path: Path) -> Path:
    """A copy of the outputs without the pages, for a test to change."""
    ignored = shutil.ignore_patterns("index.html", "pages")
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True, ignore=ignored)
    return tmp_path
