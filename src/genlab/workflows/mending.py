"""What a kill leaves half-written by DVC, put right before the next DVC starts.

DVC writes dvc.lock, its own locks and, in `dvc exp run -S`, params.yaml in place: a kill may leave
half of one, and then every later command fails. `keep` copies both files to `.genlab/kept` while
they are whole; `mend` puts the copies back. What DVC finished meanwhile is in its run cache.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from genlab.runtime import workspace
from genlab.runtime.files import replacing

LOCK, PARAMS = "dvc.lock", "params.yaml"
EXPERIMENTS = "exps/rwlock"
RWLOCKS = ("rwlock", EXPERIMENTS)
"""Below `.dvc/tmp`: which process reads or writes what."""
ENTRY = re.compile(r"^ {0,2}([^\s#-][^\n]*?):(?=\s)", re.MULTILINE)
"""A key on the two outer levels of a file as DVC writes it."""
TAKEN_FROM = "refs/exps/exec/EXEC_HEAD"
"""Where git was when `dvc exp run` began; it is gone when that has ended."""
DETACHED = re.compile(r"checkout: moving from (\S+) to \S+\n\Z")
"""git's note of a checkout, the last of its log."""
PATIENCE_SECONDS = 0.2


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
    if not folder.is_dir() or running():
        return []
    lines = list(_mend_lock(root))
    left = {name: _holders(folder / name) for name in RWLOCKS}
    if left[EXPERIMENTS] != [] or _git(root, "rev-parse", "-q", "--verify", TAKEN_FROM):
        lines += [*_mend_params(root), *_mend_branch(root)]
        if left[EXPERIMENTS] != [] and _git(root, "stash", "list"):
            lines.append(
                "changes of yours may be in git's stash, from a killed dvc: git stash list"
            )
        _git(root, "update-ref", "-d", TAKEN_FROM)
    for name, holders in left.items():
        if holders != []:
            (folder / name).unlink()
        if holders is None:
            lines.append(f".dvc/tmp/{name} was half-written by a killed dvc: removed")
    for path in _half_written(root / ".dvc"):
        path.unlink()
    return lines


def running() -> str | None:
    """Returns the command of a DVC that works in this project; None if there is none."""
    folder = workspace.root() / ".dvc" / "tmp"
    if not folder.is_dir():
        return None
    for name in RWLOCKS:
        for holder in _holders(folder / name) or []:
            with suppress(psutil.Error):
                words = psutil.Process(holder["pid"]).cmdline()
                if any("dvc" in Path(word).name for word in words):
                    return f"{holder['cmd']} (process {holder['pid']})"
    try:
        with FileLock(folder / "lock", timeout=PATIENCE_SECONDS):
            return None
    except Timeout:
        return "another dvc command"


def _holders(path: Path) -> list[dict[str, Any]] | None:
    """Returns the processes that DVC's list of readers and writers names; None if it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        readers = [holder for holders in content.get("read", {}).values() for holder in holders]
        holders = [*readers, *content.get("write", {}).values()]
        return [{"pid": int(holder["pid"]), "cmd": holder["cmd"]} for holder in holders]
    except FileNotFoundError:
        return []
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _mend_lock(root: Path) -> Iterator[str]:
    """Puts a whole dvc.lock in the place of a damaged one: the kept one, else git's, else none."""
    path, kept = root / LOCK, _read(workspace.state("kept", LOCK))
    text = _read(path)
    if not path.is_file() or (kept and text == kept) or not _is_damaged(text, kept, root):
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


def _mend_branch(root: Path) -> Iterator[str]:
    """Puts git back on the branch from which `dvc exp run` took it."""
    head, git = _git(root, "symbolic-ref", "-q", "HEAD"), root / ".git"
    match = DETACHED.search(_read(git / "logs" / "HEAD"))
    if head or not match or not (git / "HEAD").is_file():
        return
    branch = f"refs/heads/{match[1]}"
    if len({_git(root, "rev-parse", "-q", "--verify", name) for name in ("HEAD", branch)}) == 1:
        _git(root, "symbolic-ref", "-m", "genlab: back from a killed dvc exp run", "HEAD", branch)
        yield f"git was left without a branch by a killed dvc: it is on {match[1]} again"


def _half_written(folder: Path) -> Iterator[Path]:
    """Yields what DVC wrote beside its run cache, or has left of the notes on its experiments."""
    yield from folder.glob("cache/runs/*/*/*.tmp")
    for path in folder.glob("tmp/exps/run/*/*"):
        if path.suffix in (".run", ".json"):
            try:
                json.loads(_read(path))
            except ValueError:
                yield path


def _committed(root: Path, name: str) -> str:
    return _git(root, "show", f"HEAD:./{name}", is_text=True)


def _git(root: Path, *words: str, is_text: bool = False) -> str:
    """Returns what git says; empty without git."""
    try:
        command = ["git", "-C", str(root), *words]
        process = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return process.stdout if is_text else process.stdout.strip()


def _read(path: Path) -> str:
    """Returns the text of a file; of none, no text."""
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""


def _write(path: Path, text: str) -> None:
    with replacing(path) as building:
        building.write_text(text, encoding="utf-8", newline="")


def _put_aside(path: Path) -> None:
    """Copies a damaged file to `.genlab/kept`: nothing that may be the user's is lost."""
    with replacing(workspace.state("kept", f"{path.name}.damaged")) as building:
        shutil.copyfile(path, building)
