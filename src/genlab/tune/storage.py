"""Where studies are kept: in a journal below the root, for one tuner, or in a database that many machines share."""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.storages import (
    BaseStorage,
    JournalStorage,
    RDBStorage,
    RetryHeartbeatStaleTrialCallback,
)
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from genlab import tracking
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings.params import Search

ADDRESS = "GENLAB_SEARCH_STORAGE"
WHERE = f"params.yaml: search.storage, or the environment: {ADDRESS}"
SILENT_HEARTBEATS = 4
"""A worker that was silent for so many heartbeats has lost its trial."""
STORAGE_ERRORS = (SQLAlchemyError, StorageInternalError)


def address(search: Search) -> str | None:
    """Returns the database's address; None where studies are kept in journals."""
    given = os.environ.get(ADDRESS) or search.storage
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", given) if given else None


def folder(name: str) -> Path:
    """Returns where a study keeps its journal, logs and confirmations on this machine."""
    return workspace.state("studies", name)


def open_storage(search: Search, name: str) -> BaseStorage:
    """Returns the storage.

    Raises:
        InputError: The database is out of reach, or the address is none.
    """
    url = address(search)
    if url is None:
        return _journal(folder(name) / "journal.log")
    try:
        with _lock_of(
            create_engine(url, poolclass=NullPool), "tables"
        ):  # several that start at once make them once
            return RDBStorage(
                url,
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=search.heartbeat_seconds,
                grace_period=SILENT_HEARTBEATS * search.heartbeat_seconds,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )
    except (*STORAGE_ERRORS, ImportError, ValueError, OSError) as error:
        first = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            "the search's storage must be a database that answers",
            f"{tracking.address(url)} ({first})",
            f"See {WHERE}",
        ) from None


@contextmanager
def _lock_of(engine: Engine, name: str) -> Iterator[None]:
    """Holds a lock of this name in the block, where the database has such: PostgreSQL."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as connection:  # at its end the lock is free, also after a kill
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"genlab {name}"}
        )
        yield


@contextmanager
def storage_errors() -> Iterator[None]:
    """Says in one line that the storage does not answer any more: raises an InputError."""
    try:
        yield
    except STORAGE_ERRORS as error:
        first = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            "the search's storage must answer",
            str(first[:200]),
            f"When it does again, the same command goes on. See {WHERE}",
        ) from None


def locked(storage: BaseStorage, name: str) -> AbstractContextManager[None]:
    """Holds a study in the block against other machines, where the database can."""
    return (
        _lock_of(storage.engine, f"study {name}")
        if isinstance(storage, RDBStorage)
        else nullcontext()
    )


def _journal(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.lock").unlink(
        missing_ok=True
    )  # of a tuner that was killed: there is one at a time
    if path.is_file():
        whole = path.read_bytes().rpartition(b"\n")
        if whole[2]:  # a line that a kill cut off: with the next one it would be no JSON
            os.truncate(path, len(whole[0]) + 1 if whole[1] else 0)
    return JournalStorage(JournalFileBackend(str(path)))


@contextmanager
def only_tuner(name: str) -> Iterator[None]:
    """Holds a journal's study in the block.

    Raises:
        InputError: Another process is at it.
    """
    path = folder(name) / "tuner.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path).acquire(timeout=1)
    except Timeout:
        raise InputError(
            "a study in a journal must have one tuner",
            f"a second one for {name!r}",
            f"Wait for the end of the first, give it more workers, give this one another --study, or share a database. See {WHERE}",
        ) from None
    with lock:
        yield
