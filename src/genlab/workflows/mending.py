"""What a kill leaves half-written by DVC, put right before the next DVC starts.

DVC writes dvc.lock, its own locks and, in `dvc exp run -S`, params.yaml in place: a kill may leave
half of one, and then every later command fails. `keep` copies both files to `.genlab/kept` while
they are whole; `mend` puts the copies back. What DVC finished meanwhile is in its run cache.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing

LOCK, PARAMS = "dvc.lock", "params.yaml"
EXPERIMENTS = "exps/rwlock"
RWLOCKS = ("rwlock", EXPERIMENTS)
"""Below `.dvc/tmp`: which process reads or writes what."""
ENTRY = re.compile(r"^ {0,2}([^\s#-][^\n]*?):(?=\s)", re.MULTILINE)
"""A key on the two outer levels of a file as DVC writes it."""
CONFLICT = "\n<<<<<<< "
BEGUN, BEGUN_AT = "refs/exps/exec/EXEC_BASELINE", "refs/exps/exec/EXEC_HEAD"
"""git's commit of an experiment that runs, and of the last one that began."""
DETACHED = re.compile(r"checkout: moving from (\S+) to \S+\n(.*\tcommit: dvc: .*\n)*\Z")
"""The end of git's log while an experiment runs."""
LEFT = re.compile(r"\.[\w-]{22}\.tmp")
"""Names of what DVC moves to its place when it is whole, or tries links with."""


def keep() -> None:
    """Copies dvc.lock and params.yaml, where they are whole and a copy is not there yet."""
    root = workspace.root()
    if not (root / ".dvc").is_dir():
        return
    for name in (LOCK, PARAMS):
        text, copy = _read(root / name), workspace.state("kept", name)
        if text != _read(copy) and _ends_well(text):
            with suppress(OSError):  # a full disk stops what needs the room, not this
                _write(copy, text)


def mend() -> list[str]:
    """Puts right what a killed DVC left, unless one is running; returns a line on each thing."""
    root = workspace.root()
    folder = root / ".dvc" / "tmp"
    if not (root / ".dvc").is_dir() or running():
        return []
    lines = list(_mend_lock(root))
    left = [name for name in RWLOCKS if not _is_free(folder / name)]
    if EXPERIMENTS in left or _git(root, "rev-parse", "-q", "--verify", BEGUN):
        lines += _mend_experiment(root)
    if EXPERIMENTS in left and _git(root, "stash", "list"):
        lines.append("a killed dvc may have left your changes in git's stash: git stash list")
    for path in (*(folder / name for name in left), *_half_written(root)):
        path.unlink(missing_ok=True)
    for path in (root / ".dvc" / "cache" / "runs").glob("*/*"):
        if not any(path.iterdir()):  # dvc fails at an empty one
            path.rmdir()
    return lines


def check_conflict() -> None:
    """Raises an InputError if git left a conflict in dvc.lock, with which every DVC fails."""
    if CONFLICT in _read(workspace.root() / LOCK):
        settle = f"Take one side: git checkout --ours {LOCK}, or --theirs"
        raise InputError(f"{LOCK} must have no conflict of git", CONFLICT.strip(), settle)


def running() -> str | None:
    """Returns the command of a DVC that works in this project; None if there is none."""
    return _at_work("dvc", workspace.root())


def _at_work(name: str, root: Path) -> str | None:
    """Returns the command of a program that works below a folder; None if there is none."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words, place = process.info["cmdline"] or [], Path(process.info["cwd"] or "/")
        if any(Path(word).name == name for word in words) and root in (place, *place.parents):
            return f"{shlex.join(words)} (process {process.info['pid']})"
    return None


def _is_free(path: Path) -> bool:
    """Returns whether DVC's list of readers and writers is whole and names no process."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return isinstance(content, dict) and not any(content.values())


def _mend_lock(root: Path) -> Iterator[str]:
    """Puts a whole dvc.lock in the place of a damaged one: the kept one, else git's, else none."""
    path, kept = root / LOCK, _read(workspace.state("kept", LOCK))
    text = _read(path)
    if not path.is_file() or (kept and text == kept) or not _is_damaged(text, kept, root):
        return
    if CONFLICT in text:  # git's, for the user to settle
        return
    _put_aside(path)
    for source, whole in (("the last whole one", kept), ("git's", _committed(root, LOCK))):
        if _is_lock(whole):
            _write(path, whole)
            yield f"{LOCK} was half-written by a killed dvc: {source} is back"
            return
    path.unlink()
    yield f"{LOCK} was half-written by a killed dvc: removed; dvc finds its results in its cache"


def _is_damaged(text: str, kept: str, root: Path) -> bool:
    if not _is_lock(text):
        return True
    is_shorter = len(ENTRY.findall(text)) < len(ENTRY.findall(kept))
    return is_shorter and _is_cut(text, kept) and text != _committed(root, LOCK)


def _is_lock(text: str) -> bool:
    """Returns whether a text is a whole dvc.lock, as far as it can say."""
    if not _ends_well(text):
        return False
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return False
    stages = content.get("stages") if isinstance(content, dict) else None
    return isinstance(stages, dict) and all(
        isinstance(entry, dict) and "cmd" in entry for entry in stages.values()
    )


def _ends_well(text: str) -> bool:
    return text.endswith("\n") and "\0" not in text and bool(ENTRY.search(text))


def _is_cut(text: str, whole: str) -> bool:
    """Returns whether the keys of a text are those with which another one begins."""
    names = ENTRY.findall(text)
    return names == ENTRY.findall(whole)[: len(names)]


def _mend_params(root: Path) -> Iterator[str]:
    """Puts the kept params.yaml in the place of one that `dvc exp run -S` wrote half of."""
    path, kept = root / PARAMS, _read(workspace.state("kept", PARAMS)) or _committed(root, PARAMS)
    text = _read(path)
    if _is_cut(text, kept) and not _keys(kept) <= _keys(text):
        _put_aside(path)
        _write(path, kept)
        yield f"{PARAMS} was half-written by a killed dvc: the last whole one is back"


def _keys(text: str) -> set[tuple[str, ...]]:
    """Returns the paths of all keys of a YAML file; of half a file, none."""
    try:
        return _paths(YAML(typ="safe", pure=True).load(text))
    except YAMLError:
        return set()


def _paths(content: Any, above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(content, dict):
        return set()
    below = (_paths(value, (*above, str(key))) for key, value in content.items())
    return {(*above, str(key)) for key in content}.union(*below)


def _mend_experiment(root: Path) -> Iterator[str]:
    """Puts back what `dvc exp run` changes while it runs: params.yaml, and git's branch."""
    git = Path(_git(root, "rev-parse", "--absolute-git-dir").strip() or root / ".git")
    if not _at_work("git", root):
        for pattern in ("*.lock", "refs/**/*.lock", "objects/*/*.lock"):
            for path in git.glob(pattern):
                path.unlink(missing_ok=True)
    yield from _mend_params(root)
    match = DETACHED.search(_read(git / "logs" / "HEAD"))
    if match and not _git(root, "symbolic-ref", "-q", "HEAD"):
        branch = f"refs/heads/{match[1]}"
        at, *begun = (
            _git(root, "rev-parse", "-q", "--verify", name) for name in (branch, "HEAD", BEGUN_AT)
        )
        if at and at in begun:
            _git(root, "symbolic-ref", "-m", "genlab: back from a killed dvc", "HEAD", branch)
            _git(root, "reset", "-q")  # the index alone, as dvc does
            yield f"git was left without a branch by a killed dvc: it is on {match[1]} again"
    _git(root, "update-ref", "-d", BEGUN)


def _half_written(root: Path) -> Iterator[Path]:
    """Yields what DVC has not moved to its place yet, and half-written notes on an experiment."""
    for pattern in (".*.tmp", "*/.*.tmp", "*/*/.*.tmp", ".dvc/cache/runs/*/*/.*.tmp"):
        yield from (path for path in root.glob(pattern) if LEFT.fullmatch(path.name))
    for path in (root / ".dvc").glob("tmp/exps/run/workspace/*"):
        try:
            json.loads(_read(path))
        except ValueError:
            yield path


def _committed(root: Path, name: str) -> str:
    return _git(root, "show", f"HEAD:./{name}")


def _git(root: Path, *words: str) -> str:
    """Returns what git says; empty without git."""
    try:
        command = ["git", "-C", str(root), *words]
        process = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return process.stdout


def _read(path: Path) -> str:
    """Returns the text of a file; of none, no text."""
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""


def _write(path: Path, text: str) -> None:
    with replacing(path.resolve()) as building:
        building.write_text(text, encoding="utf-8", newline="")


def _put_aside(path: Path) -> None:
    """Copies a damaged file to `.genlab/kept`: nothing that may be the user's is lost."""
    with replacing(workspace.state("kept", f"{path.name}.damaged")) as building:
        shutil.copyfile(path, building)
