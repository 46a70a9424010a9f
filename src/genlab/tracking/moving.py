"""A local store that was moved or copied with its project: the artifacts' addresses follow it.

MLflow stores where each run's artifacts lie as an absolute address. Unless it follows, a copy
writes into the original, and a moved project no longer finds its models.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genlab.runtime import progress
from genlab.tracking.looking import LOCK_SECONDS

ARTIFACTS = "mlartifacts"
"""The folder of a local store's artifacts, beside the database."""
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's schema."""


def follow(database: Path) -> None:
    """Brings the addresses in a local store up to date if it does not lie where they say."""
    with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as connection, connection:
        found = connection.execute("SELECT DISTINCT artifact_location FROM experiments")
        places = {path.parent for (text,) in found if (path := local_path(text)) is not None}
        for former in filter(lambda place: _is_former(place, database, connection), places):
            _replace(connection, former, database.parent)
            progress.note(f"MLflow's artifacts are now those in {database.parent}, not in {former}")


def local_path(address: str | None) -> Path | None:
    """Returns the path that MLflow reads in an address of artifacts; None if it is no path."""
    if address and address.startswith("file:"):
        address = urlsplit(address).path
    return Path(unquote(address)) if address and address.startswith("/") else None


def _is_former(place: Path, database: Path, connection: sqlite3.Connection) -> bool:
    """Returns whether the project lay in `place`: its store is there, or its artifacts are not."""
    artifacts = (str(place / ARTIFACTS), (place / ARTIFACTS).as_uri())
    query = "SELECT count(*) FROM experiments WHERE artifact_location IN (?, ?)"
    if not connection.execute(query, artifacts).fetchone()[0]:
        return False
    if place.resolve() == database.parent.resolve():
        return False
    is_gone = not (place / ARTIFACTS).exists() and (database.parent / ARTIFACTS).exists()
    return is_gone or not place.exists() or (place / database.name).exists()


def _replace(connection: sqlite3.Connection, former: Path, place: Path) -> None:
    for table, column in ADDRESSES:
        select = f"SELECT rowid, {column} FROM {table}"  # noqa: S608 - constants
        update = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"  # noqa: S608
        rows = connection.execute(select).fetchall()
        for row, address in rows:
            path = local_path(address)
            if path is not None and path.is_relative_to(former):
                new = (place / path.relative_to(former)).as_uri()
                connection.execute(update, (new, row))
