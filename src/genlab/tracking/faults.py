"""Every fault of the store as one line: what, where, what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError, one_line

WHERE = "See MLFLOW_TRACKING_URI, and genlab doctor"
LIBRARIES = {"mlflow", "sqlalchemy", "requests", "sqlite3", "alembic"}
"""An error that comes out of one of these, on the way to or from the store, is the store's."""


def no_answer(uri: str, error: BaseException) -> InputError:
    """Returns the error of a store that does not answer, or breaks off."""
    expected = f"MLflow must answer at {shown(uri)}"
    return InputError(expected, _reason(error), WHERE)


def _reason(error: BaseException) -> str:
    """Returns what the system said, where a library has wrapped it; else the error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return one_line(error, 160)


@contextmanager
def told(uri: str) -> Iterator[None]:
    """Raises an InputError for any fault of the store in the block; a defect of ours stays one."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not _is_of_store(error.__traceback__):
            raise
        raise no_answer(uri, error) from error


def _is_of_store(traceback: TracebackType | None) -> bool:
    while traceback:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] in LIBRARIES:
            return True
        traceback = traceback.tb_next
    return False
