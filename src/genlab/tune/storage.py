"""Where studies are kept: a journal for one tuner, or a database that many machines share."""

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
from genlab.runtime.addresses import scrubbed
from genlab.runtime.errors import InputError
from genlab.settings.params import Search

ADDRESS = "GENLAB_SEARCH_STORAGE"
WHERE = f"params.yaml: search.storage, or the environment: {ADDRESS}"
SILENT_HEARTBEATS = 4
"""A worker that misses so many heartbeats has lost its trial."""
STORAGE_ERRORS = (SQLAlchemyError, StorageInternalError)


def address(search: Search) -> str | None:
    """Returns the database's address; None if studies are kept in journals."""
    url = os.environ.get(ADDRESS) or search.storage
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url) if url else None


def folder(name: str) -> Path:
    """Returns where a study keeps its journal, logs and confirmations on this machine."""
    return workspace.state("studies", name)


def open_storage(search: Search, name: str) -> BaseStorage:
    """Returns the storage.

    Raises:
        InputError: The address is wrong, or the database does not answer.
    """
    url = address(search)
    if url is None:
        return _journal(folder(name) / "journal.log")
    try:
        with _lock_of(create_engine(url, poolclass=NullPool), "tables"):  # one creates the tables
            return RDBStorage(
                url,
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=search.heartbeat_seconds,
                grace_period=SILENT_HEARTBEATS * search.heartbeat_seconds,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )
    except (*STORAGE_ERRORS, ImportError, ValueError, OSError) as error:
        raise InputError(
            "the search's storage must be a database that answers",
            f"{tracking.address(url)} ({scrubbed(_first_line(error), url)})",
            f"See {WHERE}",
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0]


@contextmanager
def _lock_of(engine: Engine, name: str) -> Iterator[None]:
    """Holds a lock of PostgreSQL, which is free again after a kill; other databases have none."""
    if engine.dialect.name != "postgresql":
        yield
        return
    lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
    with engine.connect() as connection:
        connection.execute(lock, {"name": f"genlab {name}"})
        yield


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises an InputError if the storage stops answering."""
    try:
        yield
    except STORAGE_ERRORS as error:
        raise InputError(
            "the search's storage must answer",
            scrubbed(_first_line(error))[:200],
            f"When it does, run the same command again. See {WHERE}",
        ) from None


def locked(storage: BaseStorage, name: str) -> AbstractContextManager[None]:
    """Keeps other machines away from a study during the block, where the database can."""
    if isinstance(storage, RDBStorage):
        return _lock_of(storage.engine, f"study {name}")
    return nullcontext()


def _journal(path: Path) -> BaseStorage:
    """Opens a journal, which has one tuner at a time; repairs what a kill left of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.is_file():
        content = path.read_bytes()
        if not content.endswith(b"\n"):  # cut off: joined to the next line it would be no JSON
            os.truncate(path, content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(path)))


@contextmanager
def only_tuner(name: str) -> Iterator[None]:
    """Holds a journal's study during the block.

    Raises:
        InputError: Another process holds it.
    """
    path = folder(name) / "tuner.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path).acquire(timeout=1)
    except Timeout:
        raise InputError(
            "a study in a journal must have one tuner",
            f"a second one for {name!r}",
            "Wait until the first ends, give it more workers, give this one another --study, "
            f"or share a database. See {WHERE}",
        ) from None
    with lock:
        yield
