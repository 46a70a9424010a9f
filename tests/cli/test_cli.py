"""The command line: what it imports and prints, how it ends."""

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
from typing import Any

import click
import pytest
import tracking_workspace as lab
from click.testing import CliRunner, Result

from genlab import cli
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

ROOT = Path(__file__).parents[2]
SUBCOMMANDS = {"fetch", "features", "train", "report", "generate", "sync", "ui", "doctor"}


def start(folder: Path, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
    """Starts `genlab` as a process in a folder."""
    outside = ("DVC_", "MLFLOW_", "GENLAB_", "TQDM_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    environment = kept | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(folder)}
    command = [sys.executable, "-m", "genlab", *arguments]
    streams = streams or {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams)


def genlab(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Returns exit code, output and errors of `genlab`."""
    process = start(folder, *arguments)
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the repository's params.yaml, where commands leave the signals alone."""
    monkeypatch.setattr(cli.group.stopping, "install", lambda: None)
    for name in ("GENLAB_QUIET", "TQDM_DISABLE", "TF_CPP_MIN_LOG_LEVEL", "MLFLOW_LOGGING_LEVEL"):
        monkeypatch.setenv(name, "")  # commands set them; they are put back
    shutil.copy(ROOT / "params.yaml", workplace)
    return workplace


def invoke(*arguments: str) -> Result:
    """Runs `genlab` in this process."""
    return CliRunner().invoke(cli.main, arguments)


def test_help_lists_all_subcommands_by_topic(place: Path) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert invoke().output == result.output
    assert set(re.findall(r"^  ([a-z]+) ", result.output, re.MULTILINE)) >= SUBCOMMANDS
    topics = re.findall(r"^([A-Z].*):$", result.output, re.MULTILINE)
    assert topics[0] == "Options"
    assert topics[1].startswith("The stages")
    assert "More" not in topics, "give the module of the subcommand a TOPIC"
    assert len(result.output.splitlines()) < 70
    assert "Exit codes: 0 done" in result.output


@pytest.mark.parametrize(
    ("arguments", "code"), [(["chekc"], 2), (["check", "--no"], 2), (["-q", "-v", "check"], 1)]
)
def test_exit_codes(place: Path, arguments: list[str], code: int) -> None:
    assert invoke(*arguments).exit_code == code


def test_check_names_what_dvc_cannot_hash(place: Path) -> None:
    link = place / "data" / "own_images" / "a.png"
    link.parent.mkdir(parents=True)
    assert invoke("check").exit_code == 0
    link.symlink_to("nowhere")
    result = invoke("check")
    assert result.exit_code == 1
    assert result.output == (
        f"error: {link} must lead to a file or folder. Received: a link to nowhere. "
        "Fix or remove the link.\n"
    )


def test_retracing_is_not_reported_and_other_warnings_are(caplog: pytest.LogCaptureFixture) -> None:
    import_tensorflow()
    for text in ("5 out of the last 5 calls triggered tf.function retracing", "something else"):
        logging.getLogger("tensorflow").warning(text)
    assert caplog.messages == ["something else"]


def test_quiet_hides_notes_and_keeps_results(place: Path) -> None:
    (place / "data" / "own_images").mkdir(parents=True)
    assert genlab(place, "--quiet", "fetch", "--out", "quiet") == (0, "", "")
    result = invoke("--quiet", "check")
    assert result.output.startswith("data set digits, profile default, seed 0, models autoencoder")
    _, _, error = genlab(place, "fetch", "--out", "images")
    assert error.splitlines() == ["fetch: digits: 1298 train, 139 validation, 360 test"]  # no bar


BARS = {"TQDM_DISABLE": "1"}
QUIET = {"GENLAB_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_LOGGING_LEVEL": "ERROR"}
VERBOSE = {"GENLAB_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "0", "MLFLOW_LOGGING_LEVEL": "INFO"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((False, False, True), {}),
        ((False, False, False), BARS),
        ((True, False, True), BARS | QUIET),
        ((False, True, True), VERBOSE),
    ],
)
def test_verbosity_is_set_for_child_processes(
    options: tuple[bool, bool, bool], expected: dict[str, str]
) -> None:
    assert cli.group._verbosity(*options) == expected


def in_terminal(folder: Path, *arguments: str) -> str:
    """Returns what a command writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    process = start(folder, *arguments, stdout=follower, stderr=follower)
    os.close(follower)
    written = b""
    with suppress(OSError):  # Linux raises it when the other end is closed
        while chunk := os.read(leader, 4096):
            written += chunk
    os.close(leader)
    assert process.wait(60) == 0
    return written.decode()


def test_bars_are_in_a_terminal_only(place: Path) -> None:
    assert "/1437" in in_terminal(place, "fetch", "--out", "images")


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'mlflow', 'numpy', 'pydantic'}"
    code = f"import sys; from genlab import cli; sys.exit(bool({heavy} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("generate nope --out a.npz", "models/nope must be the folder of a trained model"),
        ("rate-distortion vae --kl-weights 1,x", "Received: '1,x'"),
        ("report --runs , --out a.html", "Received: ','"),
        ("validate --images x --out y --data-docs z", "Run: dvc repro fetch"),
    ],
)
def test_mistake_is_one_line_and_exit_code_1(place: Path, arguments: str, part: str) -> None:
    result = invoke(*arguments.split())
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("error: ")
    assert part in result.stderr
    assert [path.name for path in place.iterdir()] == ["params.yaml"]


def test_misspelt_key_is_one_line(place: Path) -> None:
    path = place / "params.yaml"
    path.write_text(path.read_text().replace("test_share:", "tets_share:"))
    result = invoke("fetch", "--out", "images")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "'tets_share'" in result.stderr
    assert "'test_share'" in result.stderr
    assert not (place / "images").exists()


def test_option_that_dvc_gives_is_named(place: Path) -> None:
    result = invoke("report", "--out", "a.html")
    assert result.exit_code == 2
    assert "Missing option '--models'" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_a_training_with_its_code_and_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, expected: int
) -> None:
    lab.enter(monkeypatch, place)
    assert invoke("fetch", "--out", "images").exit_code == 0
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
    assert lab.statuses() == ["KILLED"]


def fail(error: BaseException) -> Result:
    """Runs a command that ends with this error."""

    def command() -> None:
        raise error

    commands = {"write": click.Command("write", callback=command)}
    return CliRunner().invoke(cli.group.OneLineErrors("genlab", commands=commands), ["write"])


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


class ResourceExhaustedError(Exception):
    """TensorFlow's has this name."""


NO_SPACE = OSError(errno.ENOSPC, "No space left on device", "a/b.npz")
QUOTA = OSError(errno.EDQUOT, "Disk quota exceeded")
READ_ONLY = OSError(errno.EROFS, "Read-only file system", "a.json")
TOO_LARGE = caused(RuntimeError("x"), OSError(errno.EFBIG, "File too large", "c"))


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (NO_SPACE, "room for a/b.npz. Received: No space left on device"),
        (QUOTA, "room for what is written. Received: Disk quota exceeded"),
        (TOO_LARGE, "room for c. Received: File too large"),
        (READ_ONLY, "a.json must be open to this user. Received: Read-only file system. See the"),
        (ResourceExhaustedError("x"), "Received: out of memory"),
        (FloatingPointError("loss is\nnan"), "loss is nan"),
        (InputError("a must be 1", "a=2", "See params.yaml: a"), "a must be 1. Received: a=2. See"),
    ],
)
def test_what_a_user_can_fix_is_one_line_and_exit_code_1(error: BaseException, part: str) -> None:
    result = fail(error)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: ")
    assert part in result.stderr


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied"), RuntimeError("x")]
)
def test_defect_keeps_its_traceback(error: BaseException) -> None:
    assert fail(error).exception is error
