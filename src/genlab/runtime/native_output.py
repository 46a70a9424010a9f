"""TensorFlow imported without the notes that its C++ code writes to standard error."""

import importlib
import logging
import os
import tempfile


def import_tensorflow() -> None:
    """Imports TensorFlow without its notes on this build, which no log level silences.

    If the import fails, the notes are printed. `GENLAB_VERBOSE` keeps them always.
    """
    if os.environ.get("GENLAB_VERBOSE"):
        importlib.import_module("tensorflow")
        return
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("tensorflow")
        except ImportError:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    logging.getLogger("tensorflow").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Returns whether the record is no warning on retracing: many models need one tracing each."""
    return "tf.function retracing" not in record.getMessage()
