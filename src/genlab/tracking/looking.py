"""What is wrong with a store, before MLflow opens it: its address, its file, whether it answers.

MLflow takes seconds to be imported, and minutes to give up a database that does not answer.
"""

import contextlib
import functools
import importlib.util
import os
import re
import sqlite3
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genlab.runtime.addresses import is_clear, shown
from genlab.runtime.errors import InputError
from genlab.tracking.faults import WHERE, no_answer

PROBE_SECONDS = 3
LOCK_SECONDS = 10.0
"""SQLite waits this long for another process; a write takes milliseconds."""
SERVERS = ("http", "https")
DATABASES = ("postgresql", "mysql", "mssql", "sqlite")
WITH_TIMEOUT = ("postgresql", "mysql")
"""Their drivers know `connect_timeout`."""
ALONE = ("databricks", "uc")
RESTORE = "Restore it from a copy, or move it away: the next run makes a new one"
PERMISSIONS = "See MLFLOW_TRACKING_URI and the file's permissions"


def is_server(uri: str) -> bool:
    """Returns whether the address is a tracking server's."""
    return _scheme(uri) in SERVERS


def database_of(uri: str) -> Path | None:
    """Returns the file of a local store; None for any other store."""
    match = re.fullmatch(r"sqlite:///(/[^?]+)(\?.*)?", uri)
    return Path(unquote(match[1])) if match else None


def check_form(uri: str) -> None:
    """Raises an InputError if no store can have this address: nothing is to wait for it."""
    scheme, where = _scheme(uri), "See MLFLOW_TRACKING_URI"
    known = (*SERVERS, *DATABASES, *ALONE)
    if not is_clear(uri):
        expected = "'@', '/', '?' and '#' in a password must be written %40, %2F, %3F and %23"
        raise InputError(expected, f"MLFLOW_TRACKING_URI={shown(uri)}", where)
    is_folder = _is_folder(uri) and (_takes_folders() or Path(_path(uri)).is_dir())
    if not (is_folder or uri in ALONE or scheme in known or scheme in _plugins()):
        expected = "MLFLOW_TRACKING_URI must be an address: http://HOST:5000 or sqlite:///FILE"
        raise InputError(expected, repr(shown(uri)), where)
    if fault := _fault_of_form(uri, scheme):
        expected = "MLFLOW_TRACKING_URI must be an address: http://HOST:5000 or sqlite:///FILE"
        raise InputError(expected, f"{shown(uri)!r}, {fault}", where)


def _fault_of_form(uri: str, scheme: str) -> str:
    """Returns what a server's address lacks, or that of a local database has too much."""
    if scheme == "sqlite":
        return "two slashes for three" if urlsplit(uri).netloc else ""
    if scheme not in SERVERS:
        return ""
    try:
        parts = urlsplit(uri)
        return "" if parts.hostname and parts.port != 0 else "no host or port"
    except ValueError as error:  # a port that is no number
        return str(error)


def look(uri: str) -> None:
    """Opens the store without MLflow, in seconds; a local store may be missing.

    Raises:
        InputError: The store cannot be used; the line says why, and what to do.
    """
    check_form(uri)
    if is_server(uri):
        _look_at_server(uri)
    elif database := database_of(uri):
        if database.exists():
            _look_at_file(database, uri)
    elif _scheme(uri) in DATABASES:
        _look_at_database(uri)
    elif _is_folder(uri) and not _takes_folders():
        expected = "MLflow's store must be a database or a server"
        where = "See MLFLOW_TRACKING_URI, and mlflow migrate-filestore --help"
        raise InputError(expected, f"a folder of files, {uri}", where)


def _scheme(uri: str) -> str:
    scheme, separator, _ = uri.partition("://")
    return scheme.partition("+")[0].lower() if separator else ""


def _is_folder(uri: str) -> bool:
    return uri.startswith(("/", "file:"))


def _path(uri: str) -> str:
    return unquote(urlsplit(uri).path) if uri.startswith("file:") else uri


def _takes_folders() -> bool:
    return os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1")


def _plugins() -> set[str]:
    return {entry.name for entry in entry_points(group="mlflow.tracking_store")}


def _look_at_server(uri: str) -> None:
    import requests

    try:
        with contextlib.suppress(requests.exceptions.SSLError):  # MLflow may know the certificate
            requests.get(f"{shown(uri).rstrip('/')}/health", timeout=PROBE_SECONDS)
    except (OSError, ValueError) as error:
        raise no_answer(uri, error) from None


def _look_at_database(uri: str) -> None:
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    timeout = {"connect_timeout": PROBE_SECONDS} if _scheme(uri) in WITH_TIMEOUT else {}
    try:
        with create_engine(uri, poolclass=NullPool, connect_args=timeout).connect():
            pass
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise no_answer(uri, error.__cause__ or error) from None


def _look_at_file(database: Path, uri: str) -> None:
    expected = f"{database} must be a database of MLflow"
    try:
        tables, revision = _read(database)
    except sqlite3.Error as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            expected = f"{database} must be free to be read and written"
            where = "Wait for the process that writes to it, and run the same command again"
            raise InputError(expected, str(error), where) from None
        where = PERMISSIONS if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN else RESTORE
        raise InputError(expected, str(error), where) from None
    head, known = _revisions()
    if not tables:
        raise InputError(expected, "an empty file", RESTORE)
    if "alembic_version" not in tables:
        raise InputError(expected, "one of another program", WHERE)
    if revision == head:
        return
    expected = f"{database} must have the schema {head} of the installed MLflow"
    if revision in known:
        upgrade = f"Copy it, then run: mlflow db upgrade '{uri}'"
        raise InputError(expected, f"the older one {revision}", upgrade)
    where = "Run: make setup. Or install the MLflow that wrote it, or move it away"
    raise InputError(expected, f"{revision}, of another version", where)


def _read(database: Path) -> tuple[set[str], str | None]:
    """Returns the names of the tables, and the revision of MLflow's schema."""
    # Not read-only: after a kill the first who opens it rolls the last write back.
    place = f"{database.as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(place, timeout=LOCK_SECONDS, uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in names}
        if "alembic_version" not in tables:
            return tables, None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return tables, row[0] if row else None


@functools.cache
def _revisions() -> tuple[str, set[str]]:
    """Returns the newest schema of the installed MLflow, and all that it knows."""
    spec = importlib.util.find_spec("mlflow")
    (package,) = spec.submodule_search_locations or [] if spec else []
    files = Path(package, "store", "db_migrations", "versions").glob("*.py")
    text = "\n".join(file.read_text() for file in files)
    known = set(re.findall(r'^revision = "(\w+)"', text, re.MULTILINE))
    (head,) = known - set(re.findall(r'^down_revision = "(\w+)"', text, re.MULTILINE))
    return head, known
