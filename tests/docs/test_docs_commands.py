"""Every command in the documents runs here, on a small copy, or a reason says why not.

A block of commands is fenced as `bash` or `sh`. A comment `<!-- not run: reason -->` above it
excludes it; otherwise each command is in `RUN`, or in `NOT_RUN` with a reason. A command in neither
fails, and so does an entry that no document has.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from repository import commit, copy_repository, edit, environment, read_yaml
from test_docs import PAGES, ROOT

SERVED = {"docs/serving.md"}
"""Pages whose commands have a test of their own."""

RUN = (
    "make run",
    "dvc repro",
    "dvc status",
    "dvc dag",
    "dvc repro evaluate@vae",
    "dvc exp run -S models.vae.kl_weight=2",
    "dvc exp show",
    "dvc metrics diff",
    "dvc metrics diff HEAD",
    "dvc plots show",
    "GENLAB_QUIET=1 dvc repro",
    "dvc exp run --queue -S models.vae.kl_weight=4",
    "dvc queue start --jobs 2",
    "mlflow run . --env-manager local --experiment-name genlab",
    "genlab check",
    "genlab doctor",
    "genlab doctor --json",
    "genlab --quiet check",
    "genlab --verbose check",
    "genlab sync",
    "genlab sync --to sqlite:///mlflow.db",
    "genlab reconstruct vae --split test --out r.npz",
    "genlab generate vae --num-images 10000 --seed 0 --out samples.npz",
    "genlab rate-distortion vae --kl-weights 0.25,0.5,1,2,4",
    'eval "$(_GENLAB_COMPLETE=bash_source genlab)"',
    "genlab report --runs vae,gan --out compared.html",
    "genlab promote vae",
    "genlab export vae --format onnx --out exports/vae",
    "dvc remote add --default --local shared ../shared-store",
    "dvc push",
    "dvc pull",
    'dvc exp run -S data.name=image_folder -S "data.image_size=[64,64]"',
)
"""What is run as it stands in the documents, in this order."""

AFTERWARDS = {
    "dvc queue start --jobs 2": (
        "while dvc queue status | grep -Eq 'Queued|Running'; do sleep 2; done"
    )
}
"""What is waited for after a command that goes on in the background."""

NOT_RUN = {
    "make test": "it runs this test",
    'export PATH="$PWD/.venv/bin:$PATH"': "the environment of these tests is first on PATH",
    "make tune MODEL=vae TRIALS=50": "tests/tune runs searches",
    "genlab tune vae --apply": "tests/tune",
    "mlflow models serve -m models:/vae@champion --env-manager local --port 5001": "tests/trained",
    "genlab score --real test/ --generated samples.npz --features mnist-v2 --out scores.json": (
        "tests/scoring"
    ),
}


class Block(NamedTuple):
    """A fenced block: its page, the reason above it for not being run, its commands."""

    page: Path
    reason: str
    commands: list[str]


FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?^```(?:bash|sh)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


PYTHON_FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[Block]:
    found = FENCE.finditer(page.read_text())
    return [Block(page, match["reason"] or "", commands_of(match["text"])) for match in found]


def commands_of(text: str) -> list[str]:
    """Returns the commands of a block, split at `;` and line ends outside of quotes."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [re.sub(r"(^|\s+)#.*", "", line) for line in joined.splitlines()]
    parts = [
        part.strip()
        for line in lines
        for part in re.split(r";(?=(?:[^\"']*[\"'][^\"']*[\"'])*[^\"']*$)", line)
    ]
    return [part for part in parts if part]


def all_blocks() -> list[Block]:
    pages = [page for page in PAGES if str(page.relative_to(ROOT)) not in SERVED]
    return [block for page in pages for block in blocks(page)]


def test_commands_are_found() -> None:
    assert commands_of("a -x  # why\n# alone\nb; c 'd;e'\nf \\\n  --g\n") == [
        "a -x",
        "b",
        "c 'd;e'",
        "f --g",
    ]
    assert sum(len(block.commands) for block in all_blocks()) > 30


@pytest.mark.parametrize(
    "block", all_blocks(), ids=lambda block: f"{block.page.name}: {block.commands[0]}"
)
def test_every_command_is_run_or_says_why_not(block: Block) -> None:
    unknown = (
        []
        if block.reason
        else [command for command in block.commands if command not in {*RUN, *NOT_RUN}]
    )
    assert unknown == [], (
        "put them into RUN or NOT_RUN, or <!-- not run: reason --> above the block"
    )


def test_every_line_of_the_tables_is_in_a_document() -> None:
    written = {command for block in all_blocks() if not block.reason for command in block.commands}
    assert {*RUN, *NOT_RUN} - written == set()
    assert not set(RUN) & set(NOT_RUN)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with profile `smoke`, this environment, and a few own pictures."""
    folder = tmp_path_factory.mktemp("documents") / "genlab"
    folder.mkdir()
    copy_repository(folder)
    edit(folder, profile="smoke", data={"name": "digits"})
    (folder / ".venv").symlink_to(Path(sys.prefix))
    write_own_pictures(folder / "data" / "own_images")
    (folder.parent / "shared-store").mkdir()
    commit(folder, "copy")
    return folder


def write_own_pictures(folder: Path) -> None:
    """Writes the digits of scikit-learn as PNGs, a folder per class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images[:400], digits.target, strict=False)):
        path = folder / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype("uint8")).save(path)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_commands_run(copy: Path) -> None:
    """In their order; `make` does not renew the environment that it is given.

    Then the blocks of Python, those of a page in one process.
    """
    for command in RUN:
        shell = re.sub(r"^make ", "make -o .venv/.installed-cpu -o .venv/.installed-gpu ", command)
        check_runs(
            ["bash", "-euo", "pipefail", "-c", f"{shell}\n{AFTERWARDS.get(command, '')}"], copy
        )
    codes = {page: "\n".join(PYTHON_FENCE.findall(page.read_text())) for page in PAGES}
    assert sum(map(bool, codes.values())) >= 3
    for code in filter(None, codes.values()):
        check_runs([sys.executable, "-c", code], copy)


def check_runs(command: list[str], folder: Path) -> None:
    surroundings = environment() | {"PYTHONPATH": str(folder / "src")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_completion_knows_commands_and_models(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    models = list(read_yaml(ROOT)["models"])
    cases = (("genlab ev", 1, ["evaluate"]), ("genlab train ", 2, models))
    for words, number, expected in cases:
        asked = {
            "_GENLAB_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(number),
        }
        code = "from genlab.cli import main; main(prog_name='genlab')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | asked | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert [line.removeprefix("plain,") for line in done.stdout.split()] == expected, (
            done.stderr
        )
