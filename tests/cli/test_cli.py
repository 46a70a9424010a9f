"""The command line as a process: what it imports, what it says, how it ends."""

import errno
import logging
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from genlab import cli
from genlab.runtime.native_output import import_tensorflow

ROOT = Path(__file__).parents[2]
SUBCOMMANDS = [
    "fetch",
    "validate",
    "features",
    "train",
    "evaluate",
    "report",
    "generate",
    "reconstruct",
    "sync",
    "ui",
]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "MLFLOW_", "GENLAB_"))
    }
    environment = kept | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(folder)}
    command = [sys.executable, "-m", "genlab", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def genlab(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(folder, *arguments)
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder with the repository's params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_help_lists_every_subcommand(place: Path) -> None:
    code, out, _ = genlab(place, "--help")
    assert code == 0
    assert set(SUBCOMMANDS) <= set(re.findall(r"^  ([a-z]+) ", out, re.MULTILINE))


def test_help_is_by_topic_and_short(place: Path) -> None:
    code, out, _ = genlab(place)
    assert code == 0
    assert out == genlab(place, "--help")[1]
    topics = re.findall(r"^([A-Z].*):$", out, re.MULTILINE)
    assert topics[:2] == [
        "Options",
        "The stages, one after the other: dvc.yaml gives them their paths",
    ]
    assert "More" not in topics, "give the module of the subcommand a TOPIC"
    assert len(out.splitlines()) < 70
    assert "Exit codes: 0 done" in out


@pytest.mark.parametrize(
    ("arguments", "code"), [(["chekc"], 2), (["check", "--no"], 2), (["-q", "-v", "check"], 1)]
)
def test_exit_codes(place: Path, arguments: list[str], code: int) -> None:
    assert genlab(place, *arguments)[0] == code


def test_notes_on_tracing_are_left_out_and_other_warnings_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    import_tensorflow()
    logging.getLogger("tensorflow").warning(
        "5 out of the last 5 calls triggered tf.function retracing"
    )
    logging.getLogger("tensorflow").warning("something else")
    assert caplog.messages == ["something else"]


def test_quiet_leaves_out_notes_and_keeps_results(place: Path) -> None:
    code, out, error = genlab(place, "--quiet", "fetch", "--out", "quiet")
    assert (code, out, error) == (0, "", "")
    assert (
        genlab(place, "--quiet", "check")[1]
        == "data set digits, profile default, seed 0, models autoencoder, vae, gan\n"
    )
    _, _, error = genlab(place, "fetch", "--out", "images")
    assert (
        error == "fetch: digits: 1298 train, 139 validation, 360 test\n"
    )  # and no bar: there is no terminal


@pytest.mark.parametrize(
    ("quiet", "verbose", "is_terminal", "expected"),
    [
        (False, False, True, {}),
        (False, False, False, {"TQDM_DISABLE": "1"}),
        (
            True,
            False,
            True,
            {"TQDM_DISABLE": "1", "GENLAB_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        ),
        (False, True, True, {"GENLAB_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "0"}),
    ],
)
def test_what_is_said_is_set_for_child_processes(
    quiet: bool, verbose: bool, is_terminal: bool, expected: dict[str, str]
) -> None:
    found = cli.group._voices(quiet, verbose, is_terminal)
    assert {
        name: value for name, value in found.items() if not name.startswith("MLFLOW")
    } == expected


def in_terminal(folder: Path, *arguments: str) -> str:
    """Returns what a command writes to a terminal of 80 columns."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "GENLAB_", "TQDM_"))
    }
    environment = kept | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(folder)}
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    command = [sys.executable, "-m", "genlab", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=follower, stderr=follower
    )
    os.close(follower)
    written = b""
    with suppress(OSError):  # Linux says so that the other end is closed
        while chunk := os.read(leader, 4096):
            written += chunk
    os.close(leader)
    assert process.wait(60) == 0
    return written.decode()


def test_bars_are_in_a_terminal_alone(place: Path) -> None:
    assert "/1437" in in_terminal(place, "fetch", "--out", "images")
    assert "/1437" not in in_terminal(place, "--quiet", "fetch", "--out", "images")


def test_help_imports_nothing_heavy(place: Path) -> None:
    heavy = "{'tensorflow', 'mlflow', 'numpy', 'pydantic'}"
    code = f"import sys; from genlab import cli; sys.exit(bool({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["generate", "nope", "--out", "a.npz"],
            "models/nope must be the folder of a trained model",
        ),
        (["validate", "--images", "x", "--out", "y", "--data-docs", "z"], "must"),
    ],
)
def test_mistake_is_one_line_and_exit_code_1(
    place: Path, arguments: list[str], message: str
) -> None:
    code, out, error = genlab(place, *arguments)
    assert code == 1
    assert out == ""
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in place.iterdir()) == ["params.yaml"]


def test_misspelt_key_is_one_line(place: Path) -> None:
    path = place / "params.yaml"
    path.write_text(path.read_text().replace("test_share:", "tets_share:"))
    code, _, error = genlab(place, "fetch", "--out", "images")
    assert code == 1
    assert "'tets_share' (nearest: 'test_share')" in error
    assert error.count("\n") == 1
    assert not (place / "images").exists()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_a_training_with_its_code_and_run(
    place: Path, number: signal.Signals, expected: int
) -> None:
    assert genlab(place, "fetch", "--out", "images")[0] == 0
    text = (place / "params.yaml").read_text()
    (place / "params.yaml").write_text(re.sub(r"(?m)^    steps: .*", "    steps: 1000000", text))
    paths = "--images images --features none --out models/vae --timings timings"
    process = start(place, "train", "vae", *paths.split())
    try:
        deadline = time.monotonic() + 120
        while not list(place.glob(".genlab/training/*/*/progress/samples_00005*.png")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == expected
    assert "Traceback" not in error
    assert not (place / "models").exists()
    code = (
        "import mlflow; client = mlflow.MlflowClient('sqlite:///mlflow.db');"
        "print(*[r.info.status for r in client.search_runs(['1'])])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["KILLED"]


def fail(error: BaseException) -> Result:
    """Runs a command that ends with this error."""

    def command() -> None:
        raise error

    group = cli.group.OneLineErrors(
        "genlab", commands={"write": click.Command("write", callback=command)}
    )
    return CliRunner().invoke(group, ["write"])


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "file", "received"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b.npz"),
            "a/b.npz",
            "No space left on device",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "what is written", "Disk quota exceeded"),
        (
            caused(RuntimeError("x"), OSError(errno.EFBIG, "File too large", "c")),
            "c",
            "File too large",
        ),
    ],
)
def test_full_disk_is_one_line_and_exit_code_1(
    error: BaseException, file: str, received: str
) -> None:
    result = fail(error)
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: the disk must have room for {file}. Received: {received}. "
        "Make room; finished checkpoints are kept, the same command goes on.\n"
    )


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied", "a"), RuntimeError("x")]
)
def test_defect_keeps_its_traceback(error: BaseException) -> None:
    assert fail(error).exception is error
