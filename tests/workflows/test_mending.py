"""What a kill leaves half-written by DVC is put right; what is the user's own stays."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from repository import IDENTITY, ROOT
from ruamel.yaml import YAML

from genlab import cli
from genlab.doctor import repair
from genlab.doctor.finding import Finding
from genlab.workflows import mending

STAGE = """\
    cmd: env PYTHONPATH=src python -m genlab {name} --out data/{name}
    deps:
    - path: src/genlab/data
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
      size: 1234
    outs:
    - path: data/{name}
      hash: md5
      md5: fedcba9876543210fedcba9876543210.dir
"""
NAMES = ("fetch", "features", "train@vae")
WHOLE = "schema: '2.0'\nstages:\n" + "".join(
    f"  {name}:\n{STAGE.format(name=name)}" for name in NAMES
)
OLDER = WHOLE.replace("size: 1234", "size: 99")
LOCK, PARAMS = Path("dvc.lock"), Path("params.yaml")
KEPT, TMP = Path(".genlab/kept"), Path(".dvc/tmp")


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a dvc.lock and a params.yaml that are whole and kept."""
    monkeypatch.setattr(cli.group.stopping, "install", lambda: None)
    for path in (TMP / "exps" / "run", Path(".dvc/cache/runs/ab/abc"), Path("data/own_images")):
        path.mkdir(parents=True)
    LOCK.write_text(WHOLE)
    shutil.copy(ROOT / "params.yaml", workplace)
    mending.keep()
    return workplace


def held_by(pid: int, command: str = "dvc repro", name: str = "rwlock") -> None:
    """Writes what DVC notes of a process that works here."""
    holder = {"pid": pid, "cmd": command}
    (TMP / name).write_text(json.dumps({"write": {"data": holder}, "read": {"src": [holder]}}))


@contextmanager
def living_dvc() -> Iterator[str]:
    """Runs a process that looks like DVC, and yields how it is named."""
    command = [sys.executable, "-c", "input()", "dvc", "repro"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield f"{shlex.join(command)} (process {process.pid})"
        process.kill()


def git(*words: str) -> str:
    return subprocess.check_output(["git", *IDENTITY, *words], text=True).strip()


def commit_all() -> None:
    git("init", "-q", "-b", "main")
    git("add", "dvc.lock", "params.yaml")
    git("commit", "-qm", "all")


def is_whole(text: str) -> bool:
    return text.endswith("\n") and list(YAML(typ="safe", pure=True).load(text)["stages"]) == [
        *NAMES
    ]


def test_dvc_lock_that_was_cut_anywhere_is_whole_again(place: Path) -> None:
    ends = {number for number, sign in enumerate(WHOLE) if sign == "\n"}
    last = WHOLE.index("train@vae") + 20
    for end in sorted({*range(0, len(WHOLE) - 1, 41), *ends, *(end + 1 for end in ends)}):
        LOCK.write_text(WHOLE[:end])
        lines = mending.mend()
        assert is_whole(LOCK.read_text()), end
        if end < last:
            assert LOCK.read_text() == WHOLE
            assert lines == [
                "dvc.lock was half-written by a killed dvc: the last whole one is back"
            ]
            assert (KEPT / "dvc.lock.damaged").read_text() == WHOLE[:end]


@pytest.mark.parametrize("damage", ["", "\0" * 99, "schema: '2.0'\n", "a: [\n"])
@pytest.mark.parametrize(("source", "expected"), [("kept", WHOLE), ("git", OLDER), ("none", None)])
def test_dvc_lock_is_the_kept_one_or_gits_or_gone(
    place: Path, damage: str, source: str, expected: str | None
) -> None:
    if source == "git":
        LOCK.write_text(OLDER)
        commit_all()
    if source != "kept":
        shutil.rmtree(KEPT)
    LOCK.write_text(damage)
    (line,) = mending.mend()
    assert line.startswith("dvc.lock was half-written by a killed dvc: ")
    assert (LOCK.read_text() if LOCK.exists() else None) == expected
    assert mending.mend() == []


CONFLICT = WHOLE.replace("stages:\n", "<<<<<<< mine\nstages:\n=======\n>>>>>>> theirs\n")


@pytest.mark.parametrize(
    "text", [CONFLICT, OLDER, WHOLE + "  report:\n" + STAGE.format(name="report")]
)
def test_dvc_lock_that_no_kill_has_cut_stays(place: Path, text: str) -> None:
    LOCK.write_text(text)
    assert mending.mend() == []
    assert LOCK.read_text() == text


def test_dvc_lock_with_fewer_stages_stays_if_it_is_gits(place: Path) -> None:
    text = WHOLE[: WHOLE.index("  train@vae")]
    LOCK.write_text(text)
    commit_all()
    assert mending.mend() == []
    assert LOCK.read_text() == text


@pytest.mark.parametrize("name", ["rwlock", "exps/rwlock"])
def test_dvcs_list_of_readers_and_writers_is_no_obstacle(place: Path, name: str) -> None:
    held_by(1, name=name)  # a killed dvc's; the number may be another process's now
    whole = (TMP / name).read_text()
    for end in range(0, len(whole), 23):
        (TMP / name).write_text(whole[:-end] if end else whole)
        assert mending.mend() == []
        assert not (TMP / name).exists()
    for free in ('{"read": {}}', "{}"):
        (TMP / name).write_text(free)
        assert mending.mend() == []
        assert (TMP / name).read_text() == free


def test_nothing_is_touched_while_dvc_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LOCK.write_text("")
    with living_dvc() as found:
        assert mending.mend() == []
        assert LOCK.read_text() == ""
        monkeypatch.setenv("DVC_ROOT", str(place / "elsewhere"))
        assert mending.running() is None
        monkeypatch.delenv("DVC_ROOT")
        assert repair.dvc() == Finding("dvc", "ok", f"{found} works here")
        result = CliRunner().invoke(cli.main, ["check", "--data", "mnist", "--write"])
        assert result.stderr.startswith("error: no other dvc may run here. Received: ")
    assert len(mending.mend()) == 1


def test_params_that_dvc_cut_are_whole_again(place: Path) -> None:
    kept, written = (
        PARAMS.read_text(),
        PARAMS.read_text().replace("profile: default", "profile: smoke"),
    )
    assert written != kept
    for end in range(0, len(written) - 8, 997):
        held_by(1, "dvc exp run -S profile=smoke", "exps/rwlock")
        PARAMS.write_text(written[:end])
        assert mending.mend() == [
            "params.yaml was half-written by a killed dvc: the last whole one is back"
        ], end
        assert PARAMS.read_text() == kept


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("change", ["typo", "model", "whole"])
def test_params_that_the_user_edits_stay(place: Path, change: str, is_killed: bool) -> None:
    text = {
        "typo": PARAMS.read_text().replace("seed: 0", "sed: [0"),
        "model": PARAMS.read_text().replace("\n  gan:", "\n  big_gan:", 1),
        "whole": PARAMS.read_text().replace("profile: default", "profile: smoke"),
    }[change]
    PARAMS.write_text(text)
    if is_killed:
        held_by(1, "dvc exp run -S profile=smoke", "exps/rwlock")
    assert mending.mend() == []
    assert PARAMS.read_text() == text


def test_git_is_on_its_branch_again(place: Path) -> None:
    commit_all()
    git("checkout", "-q", "--detach")
    assert mending.mend() == []  # the user's own doing
    assert git("branch", "--show-current") == ""
    git("update-ref", "refs/exps/exec/EXEC_BASELINE", "HEAD")
    (place / ".git" / "index.lock").touch()
    (line,) = mending.mend()
    assert line == "git was left without a branch by a killed dvc: it is on main again"
    assert git("branch", "--show-current") == "main"
    assert git("for-each-ref", "refs/exps") == ""


def test_changes_in_gits_stash_are_named(place: Path) -> None:
    commit_all()
    PARAMS.write_text(PARAMS.read_text() + "# mine\n")
    git("stash")
    assert mending.mend() == []  # the user's own doing
    held_by(1, "dvc exp run -S seed=1", "exps/rwlock")
    (line,) = mending.mend()
    assert line == "a killed dvc may have left your changes in git's stash: git stash list"


def test_half_written_notes_of_dvc_are_removed(place: Path) -> None:
    (place / ".H9G5M8TQsaiBtL6PzvdT0Q.tmp").touch()  # dvc tries links
    (place / ".my.tmp").touch()
    Path(".dvc/cache/runs/ab/empty").mkdir()
    whole = {Path(".dvc/cache/runs/ab/abc/def"): "cmd: a\n", TMP / "exps/run/workspace/a": "{}"}
    half = {
        Path(".dvc/cache/runs/ab/abc/.7XyZSxf7AYC9sFgv_bpPrA.tmp"): "cmd: a",
        TMP / "exps/run/workspace/b": '{"a',
    }
    for path, text in (whole | half).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert mending.mend() == []
    assert [path.exists() for path in (*whole, *half)] == [True, True, False, False]
    assert [path.name for path in place.glob(".*.tmp")] == [".my.tmp"]
    assert [path.name for path in Path(".dvc/cache/runs").glob("*/*")] == ["abc"]


def test_check_and_doctor_mend_and_say_so(place: Path) -> None:
    LOCK.write_text("")
    result = CliRunner().invoke(cli.main, ["check"])
    line = "dvc.lock was half-written by a killed dvc: the last whole one is back"
    assert (result.exit_code, result.stderr) == (0, f"mended: {line}\n")
    LOCK.write_text("schema")
    assert repair.dvc() == Finding("dvc", "warning", line, "It is mended: go on.")
    assert repair.dvc().says == "nothing is half-written"


def test_check_writes_data_set_profile_and_seeds_and_nothing_else(place: Path) -> None:
    before = PARAMS.read_text().splitlines()
    words = ["check", "--data", "mnist", "--profile", "smoke", "--seeds", "3", "--write"]
    result = CliRunner().invoke(cli.main, words)
    assert result.stdout.startswith("data set mnist, profile smoke, ")
    changed: list[Any] = [
        pair
        for pair in zip(before, PARAMS.read_text().splitlines(), strict=True)
        if len({*pair}) > 1
    ]
    written = [new.split("#")[0].strip() for _, new in changed]
    assert written == ["profile: smoke", "name: mnist", "num_seeds: 3"]
    assert CliRunner().invoke(cli.main, ["check", "--data", "mnits", "--write"]).exit_code == 1
    assert "mnits" not in PARAMS.read_text()


def test_folder_without_dvc_stays_as_it_is(workplace: Path) -> None:
    LOCK.write_text("")
    mending.keep()
    assert mending.mend() == []
    assert [path.name for path in workplace.iterdir()] == ["dvc.lock"]


def test_a_conflict_of_git_is_told_and_stays(place: Path) -> None:
    LOCK.write_text(CONFLICT)
    result = CliRunner().invoke(cli.main, ["check"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: dvc.lock must have no conflict of git")
    assert repair.dvc().state == "error"
    assert LOCK.read_text() == CONFLICT
