"""The repository and what it needs: params.yaml, data, tracker, DVC remote, git."""

import configparser
import os
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genlab.data import picture_files
from genlab.doctor.finding import Finding, error, ok, warning
from genlab.imaging.arrays import read_description
from genlab.runtime import addresses, downloads, workspace
from genlab.runtime.errors import InputError, printable
from genlab.settings import params as parameters
from genlab.settings import plugins
from genlab.tracking import looking, store

CONNECT_SECONDS, CHECK_SECONDS = 3.0, 8.5
PORTS = {"http": 80, "https": 443, "ssh": 22, "sftp": 22, "webdav": 80, "webdavs": 443}
PLUGINS = ("s3", "gs", "azure", "ssh", "gdrive")
"""For an address of this form DVC needs the package `dvc-<form>`, which is not in the lock."""
FIX_PARAMS = "Fix params.yaml."


def params() -> Finding:
    """Names, keys and values in params.yaml, and the user's folder: what `genlab check` says."""
    command = [sys.executable, "-m", "genlab", "check"]
    root, limit = workspace.root(), CHECK_SECONDS
    try:
        _load()
        process = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=limit, check=False
        )
    except InputError as problem:
        return error("params", str(problem), FIX_PARAMS)
    except subprocess.TimeoutExpired:
        says = f"sections are right; models were not checked within {CHECK_SECONDS:g} seconds"
        return warning("params", says, "Run: genlab check. A second time it takes a second.")
    if process.returncode:
        lines = process.stderr.strip().splitlines() or ["genlab check fails"]
        return error("params", lines[-1].removeprefix("error: "), FIX_PARAMS)
    return ok("params", process.stdout.strip())


def _load() -> parameters.Params:
    return parameters.load(workspace.root() / "params.yaml")


def data() -> Finding:
    """Whether the data set is here, or available."""
    try:
        values = _load()
        name = values.data.name
        chapter = plugins.find("datasets", name, "params.yaml: data.name")
    except InputError:
        return warning("data", "not known while params.yaml is wrong", FIX_PARAMS)
    folder = workspace.root() / "data" / "images"
    try:
        if (folder / "dataset.json").is_file() and read_description(folder)["name"] == name:
            return ok("data", f"{name} is fetched: {folder}")
    except InputError as problem:
        return _of(problem)
    if chapter.FILES is None:
        return _own_files(name, values.data.directory)
    present = workspace.downloads(name)
    missing = [file for file in chapter.FILES if not (present / file.name).is_file()]
    if not missing:
        return ok("data", f"{name} needs no download")
    if source := _source(name, missing[0].name, missing[0].addresses):
        return ok("data", f"{name} is available from {source}")
    mirror = f"set {downloads.MIRROR} to a folder or address that has {name}"
    remedy = f"Fix the network, {mirror}, or choose data.name: digits."
    return error("data", f"{name} is not here, and no source answers", remedy)


def _of(problem: InputError) -> Finding:
    return error("data", f"{problem.expected}; received {problem.received}", problem.where)


def _own_files(name: str, directory: str) -> Finding:
    try:
        folder = picture_files.located(directory)
    except InputError as problem:
        return _of(problem)
    if not folder.exists():
        remedy = "Put pictures there, or see params.yaml: data.directory."
        return error("data", f"{name}: there is no {folder}", remedy)
    return ok("data", f"{name} reads {folder}")


def _source(name: str, file: str, addresses: tuple[str, ...]) -> str:
    """Returns where a file is available: the mirror or the first host that answers; else ""."""
    mirror = os.environ.get(downloads.MIRROR, "").rstrip("/")
    if mirror and "://" not in mirror:
        folder = Path(mirror).expanduser()
        if any(path.is_file() for path in (folder / name / file, folder / file)):
            return str(folder)
    hosts = [mirror, *addresses] if "://" in mirror else addresses
    return next((urlsplit(host).hostname or "" for host in hosts if answers(host)), "")


def tracker() -> Finding:
    """Whether MLflow's store can be used; opens it, but without MLflow."""
    try:
        uri = store.present_uri()
        looking.look(uri)
    except InputError as problem:
        says = f"{problem.expected}; received {problem.received}"
        remedy = f"{problem.where}. Trainings go on, and genlab sync sends the rest later."
        return warning("tracker", addresses.scrubbed(printable(says)), remedy)
    database = looking.database_of(uri)
    if database is None:
        return ok("tracker", f"{addresses.shown(uri)} answers")
    if not os.access(database if database.exists() else database.parent, os.W_OK):
        return error("tracker", f"{database} is not writable", looking.PERMISSIONS)
    when = "can be read" if database.exists() else "the first run creates it"
    return ok("tracker", f"{addresses.shown(uri)} ({when})")


def place() -> Finding:
    """Whether the project's folder has a name that all programs read alike."""
    root = workspace.root()
    if unquote(str(root)) == str(root):
        return ok("place", str(root))
    says = f"{root}: MLflow reads the % in it, and cannot load or serve models there"
    return warning("place", says, "Rename the folder; all else works.")


def remote() -> Finding:
    """Whether DVC's default remote, if there is one, can be reached."""
    config = configparser.ConfigParser()
    config.read(workspace.root() / ".dvc" / name for name in ("config", "config.local"))
    name = config.get("core", "remote", fallback="")
    if not name:
        return ok("remote", "none; DVC keeps its cache on this machine only")
    url = config.get(f"'remote \"{name}\"'", "url", fallback="")
    shown, scheme = f"{name} ({addresses.shown(url)})", urlsplit(url).scheme
    if scheme in PORTS and not answers(url):
        return warning("remote", f"{shown} does not answer", "dvc push waits for it.")
    if not scheme and not (workspace.root() / ".dvc" / url).is_dir():
        remedy = f"Make it, or: dvc remote modify {name} url PATH"
        return warning("remote", f"{name}: no folder {url}", remedy)
    package = f"dvc-{scheme}"
    if scheme in PLUGINS and not _is_installed(package):
        return error("remote", f"{shown} needs {package}", f"Run: pip install {package}")
    return ok("remote", shown)


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def git() -> Finding:
    """Whether DVC sees a repository with a commit, from which experiments start."""
    try:
        head, changes = _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain")
    except FileNotFoundError:
        return warning("git", "not installed", "make run works; dvc exp needs git.")
    except subprocess.TimeoutExpired:
        return warning("git", "git status does not answer", "See the disk.")
    except subprocess.CalledProcessError as problem:
        says = " ".join((problem.stderr or "").split()) or "no repository"
        return warning("git", says, "make run works; dvc exp needs a commit.")
    number = len(changes.splitlines())
    if not number:
        return ok("git", f"{head}, nothing changed since")
    return ok("git", f"{head}, {number} files changed since (experiments include them)")


def _git(*words: str) -> str:
    command = ["git", "-C", str(workspace.root()), *words]
    timeout = CONNECT_SECONDS
    process = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
    return process.stdout.strip()


def answers(address: str) -> bool:
    """Returns whether the host of an address accepts connections within 3 seconds."""
    try:
        parts = urlsplit(address)
        place = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 443)
        socket.create_connection(place, timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
