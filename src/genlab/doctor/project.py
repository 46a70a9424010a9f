"""What lies in the repository, and what it reaches: params.yaml, data, tracker, DVC remote, git."""

import configparser
import os
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from genlab.doctor.finding import ERROR, OK, WARNING, Finding
from genlab.imaging.arrays import read_description
from genlab.runtime import downloads, workspace
from genlab.runtime.errors import InputError
from genlab.settings import params as parameters
from genlab.settings import plugins
from genlab.tracking import store

CONNECT_SECONDS = 3.0
PORTS = {"http": 80, "https": 443, "ssh": 22, "sftp": 22, "webdav": 80, "webdavs": 443}
DRIVERS = {
    "s3": "dvc-s3",
    "gs": "dvc-gs",
    "azure": "dvc-azure",
    "ssh": "dvc-ssh",
    "gdrive": "dvc-gdrive",
}
"""Packages that DVC needs for an address of this form; they are not in the lock."""


def params() -> Finding:
    """Names and values in params.yaml."""
    try:
        values = parameters.load(workspace.root() / "params.yaml")
        for name, entry in values.models.items():
            plugins.check("models", str(entry.get("kind")), f"params.yaml: models.{name}.kind")
    except InputError as error:
        return Finding("params", ERROR, str(error), "Mend params.yaml.")
    return Finding(
        "params",
        OK,
        f"data set {values.data.name}, profile {values.profile}, {', '.join(values.models)}",
    )


def data() -> Finding:
    """Whether the data set is there, or can be had."""
    try:
        values = parameters.load(workspace.root() / "params.yaml")
        chapter = plugins.find("datasets", values.data.name, "params.yaml: data.name")
    except InputError:
        return Finding("data", WARNING, "not known while params.yaml is wrong", "Mend params.yaml.")
    name, fetched = values.data.name, workspace.root() / "data" / "images"
    if (fetched / "dataset.json").is_file() and read_description(fetched)["name"] == name:
        return Finding("data", OK, f"{name} is fetched: {fetched}")
    missing = [
        file
        for file in chapter.FILES or ()
        if not (workspace.downloads(name) / file.name).is_file()
    ]
    if not missing:
        return Finding("data", OK, f"{name} needs no download")
    where = _source(name, missing[0].name, missing[0].addresses)
    if where:
        return Finding("data", OK, f"{name} can be had from {where}")
    remedy = f"Mend the network, set {downloads.MIRROR} to a folder or address that has {name}, or data.name: digits."
    return Finding("data", ERROR, f"{name} is not here, and no source answers", remedy)


def _source(name: str, file: str, addresses: tuple[str, ...]) -> str:
    """Returns where a file can be had: the mirror or the first public host that answers; nothing where none does."""
    mirror = os.environ.get(downloads.MIRROR, "").rstrip("/")
    if mirror and "://" not in mirror:
        folder = Path(mirror).expanduser()
        if any(place.is_file() for place in (folder / name / file, folder / file)):
            return str(folder)
    hosts = [mirror, *addresses] if "://" in mirror else addresses
    return next(
        (urlsplit(host).hostname or "" for host in dict.fromkeys(hosts) if answers(host)), ""
    )


def tracker() -> Finding:
    """Whether MLflow's store answers, without importing MLflow."""
    uri = store.present_uri()
    shown = store.address(uri)
    if uri.startswith(("http://", "https://")):
        if answers(uri):
            return Finding("tracker", OK, f"{shown} answers")
        remedy = "Nothing is lost: trainings go on, and genlab sync sends the rest later."
        return Finding("tracker", WARNING, f"{shown} does not answer", remedy)
    place = (
        Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else workspace.root()
    )
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        return Finding(
            "tracker",
            ERROR,
            f"{shown} cannot be written",
            "See MLFLOW_TRACKING_URI and the rights.",
        )
    return Finding(
        "tracker", OK, f"{shown} ({'there' if place.exists() else 'made by the first run'})"
    )


def remote() -> Finding:
    """Whether DVC's default remote can be reached, where there is one."""
    config = configparser.ConfigParser()
    config.read(workspace.root() / ".dvc" / name for name in ("config", "config.local"))
    name = config.get("core", "remote", fallback="")
    if not name:
        return Finding("remote", OK, "none; DVC keeps its cache on this machine alone")
    url = config.get(f"'remote \"{name}\"'", "url", fallback="")
    scheme = urlsplit(url).scheme
    if scheme in PORTS and not answers(url):
        return Finding(
            "remote",
            WARNING,
            f"{name} ({store.address(url)}) does not answer",
            "dvc push waits for it.",
        )
    if not scheme and not (workspace.root() / ".dvc" / url).is_dir():
        return Finding(
            "remote",
            WARNING,
            f"{name}: no folder {url}",
            f"Make it, or: dvc remote modify {name} url PATH",
        )
    if scheme in DRIVERS and not _has(DRIVERS[scheme]):
        return Finding(
            "remote",
            ERROR,
            f"{name} ({url}) needs {DRIVERS[scheme]}",
            f"pip install {DRIVERS[scheme]}",
        )
    return Finding("remote", OK, f"{name} ({store.address(url)})")


def _has(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def git() -> Finding:
    """Whether DVC finds a repository with a commit, which experiments start from."""
    try:
        head, changes = (
            _git(*words) for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
        )
    except FileNotFoundError:
        return Finding("git", ERROR, "not installed", "Install git: DVC needs it.")
    except subprocess.TimeoutExpired:
        return Finding("git", WARNING, "git status does not answer", "See the disk.")
    except subprocess.CalledProcessError as error:
        says = " ".join((error.stderr or "").split()) or "no repository"
        return Finding("git", ERROR, says, "Run it in a clone: dvc exp run starts from a commit.")
    number = len(changes.splitlines())
    if number:
        return Finding(
            "git", OK, f"{head}, {number} files changed since (experiments take them along)"
        )
    return Finding("git", OK, f"{head}, nothing changed since")


def _git(*words: str) -> str:
    command = ["git", "-C", str(workspace.root()), *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=CONNECT_SECONDS, check=True
    ).stdout.strip()


def answers(address: str) -> bool:
    """Returns whether the host of an address accepts connections within 3 seconds."""
    parts = urlsplit(address)
    try:
        place = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 443)
        socket.create_connection(place, timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
