"""`python docs/run_tutorial.py`: runs docs/tutorial.ipynb and stores its output."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
SECONDS_PER_CELL = 1500


def code_sha256(notebook: NotebookNode) -> str:
    """Returns the SHA-256 of all code cells; the notebook stores that of its output."""
    return hashlib.sha256(
        "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code").encode()
    ).hexdigest()


def run(place: Path) -> NotebookNode:
    """Returns the notebook with its output.

    Args:
        place: An empty folder that trainings, data and runs are written to.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    shutil.copy(ROOT / "params.yaml", place)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=SECONDS_PER_CELL, kernel_name="python3")
    with _environment(
        DVC_ROOT=str(place), PYTHONPATH=str(ROOT / "src"), TQDM_DISABLE="1", GENLAB_QUIET="1"
    ):
        client.execute(cwd=str(place))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata["genlab_code_sha256"] = code_sha256(notebook)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    former = dict(os.environ)
    os.environ.update(values)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(run(Path(folder)), NOTEBOOK)
    print(f"{NOTEBOOK.relative_to(ROOT)}: {NOTEBOOK.stat().st_size / 1000:.0f} kB", file=sys.stderr)
