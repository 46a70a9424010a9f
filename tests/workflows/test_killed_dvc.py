"""DVC is killed at every kind of file that it opens for writing, and then works again."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from repository import IDENTITY, ROOT, environment

from genlab.workflows import mending

PIPELINE = """\
stages:
  first:
    cmd: cp params.yaml first.txt
    params: [number]
    outs: [first.txt]
  second:
    cmd: cp first.txt second.txt
    deps: [first.txt]
    outs: [second.txt]
"""
KILLER = """
import os, signal, sys

moment, count, root = int(sys.argv[1]), 0, os.getcwd()

def watch(event, arguments):
    global count
    if event == "open" and isinstance(arguments[0], str) and count < moment:
        path, _, flags = arguments
        is_written = flags & (os.O_WRONLY | os.O_RDWR) and not os.path.isdir(path)
        if path.startswith(root) and is_written:
            count += 1
            print(path, file=sys.stderr)
            if count == moment:
                if flags & (os.O_TRUNC | os.O_CREAT) and not flags & os.O_APPEND:
                    open(path, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
from dvc.cli import main
sys.exit(main(sys.argv[2:]))
"""
"""Runs DVC until it opens this many files for writing; the last one is empty then."""
COMMANDS = {"repro": ["repro"], "experiment": ["exp", "run", "-S", "number=2"]}


def run(*command: str) -> str:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def killed(moment: int, words: list[str]) -> list[str]:
    """Runs DVC until it is killed; returns the files that it opened for writing."""
    command = [sys.executable, "-c", KILLER, str(moment), *words]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    here = f"{Path.cwd()}/"
    lines = done.stderr.splitlines()
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return [line.removeprefix(here) for line in lines if line.startswith(here)]


def moments(paths: list[str]) -> list[int]:
    """Returns the numbers of the first, the middle and the last opening of each kind of file."""
    kinds: dict[str, list[int]] = {}
    for number, path in enumerate(paths, 1):
        kinds.setdefault(re.sub(r"[\w-]{22,}|/[0-9a-f]{2}\b", "*", path), []).append(number)
    chosen = (numbers[at] for numbers in kinds.values() for at in (0, len(numbers) // 2, -1))
    return sorted(set(chosen))


def make_project(folder: Path) -> None:
    folder.mkdir()
    os.chdir(folder)
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text("number: 1\nothers: {a: 1, b: [1, 2]}\n")
    (folder / ".gitignore").write_text("/first.txt\n/second.txt\n.genlab/\n")
    run("git", "init", "-q", "-b", "main")
    run("dvc", "repro", "-q")
    run("git", "add", "-A")
    run("git", *IDENTITY, "commit", "-qm", "all")
    mending.keep()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", COMMANDS)
def test_dvc_works_again_wherever_it_was_killed(workplace: Path, way: str) -> None:
    project, words = workplace / "project", COMMANDS[way]
    make_project(project)
    stale = "number: 2\nothers: {a: 1, b: [1, 2]}\n"
    for name in ("first", "all"):
        shutil.copytree(project, workplace / name, symlinks=True)
    os.chdir(workplace / "all")
    if way == "repro":
        Path("params.yaml").write_text(stale)
    numbers = moments(killed(10**6, words))
    for number in numbers:
        os.chdir(workplace)
        shutil.rmtree(project)
        shutil.copytree(workplace / "first", project, symlinks=True)
        os.chdir(project)
        if way == "repro":
            Path("params.yaml").write_text(stale)
            mending.keep()
        path = killed(number, words)[-1]
        lines = mending.mend()
        print(f"{number}: {path}: {'; '.join(lines)}")
        run("dvc", *words)
        assert Path("second.txt").read_text() == Path("params.yaml").read_text() == stale
        assert run("git", "branch", "--show-current") == "main\n"
        assert "?? " not in run("git", "status", "--porcelain")
        run("dvc", "repro")
