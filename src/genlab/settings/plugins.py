"""Look-up by file name: the files of a folder of this package are the list of what there is."""

import difflib
import importlib
import pkgutil
from collections.abc import Collection, Iterable
from types import ModuleType

from genlab.runtime.errors import InputError


def names(folder: str) -> list[str]:
    """Returns the names of the modules in `folder`, sorted.

    Args:
        folder: A sub-package of genlab: `"models"`, `"datasets"` or `"metrics"`.
    """
    package = importlib.import_module(f"genlab.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def find(folder: str, name: str, where: str) -> ModuleType:
    """Imports the module called `name` in `folder`, after `check`."""
    check(folder, name, where)
    return importlib.import_module(f"genlab.{folder}.{name}")


def check(folder: str, name: str, where: str) -> None:
    """Checks that `folder` has a module called `name`, without importing it.

    Args:
        folder: As for `names`.
        name: The file's name without its ending.
        where: Where the user wrote the name, for the error: `"params.yaml: models.vae.kind"`.

    Raises:
        InputError: There is no such file; the message lists those that exist.
    """
    check_among(name, names(folder), where, where)


def check_among(name: str, known: Collection[str], what: str, where: str) -> None:
    """Raises an InputError with the nearest name if `name` is not one of the known ones.

    Args:
        name: What was received.
        known: What is allowed.
        what: `name` is, for the error: `"profile"`.
        where: Where the user wrote it: `"params.yaml: profile"`.
    """
    if name not in known:
        expected = f"{what} must be one of {', '.join(known)}{nearest(name, known)}"
        raise InputError(expected, repr(name), f"See {where}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns `" (nearest: 'x')"` for the known name most like `name`, or nothing if none is."""
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (nearest: {matches[0]!r})" if matches else ""
