"""The outputs of three small models, made once; the pages of them, rendered once."""

import shutil
from pathlib import Path

import pytest
from report_workspace import render, write_curve, write_outputs


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of outputs with a rate-distortion curve, and the pages of them."""
    root = tmp_path_factory.mktemp("rendered")
    write_outputs(root)
    write_curve(root)
    render(root)
    return root


@pytest.fixture
def laboratory(rendered: Path, tmp_path: Path) -> Path:
    """A copy of the outputs without pages and curve, for a test to change."""
    ignored = shutil.ignore_patterns("index.html", "pages", "rate_distortion", "data_docs")
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True, ignore=ignored)
    return tmp_path
