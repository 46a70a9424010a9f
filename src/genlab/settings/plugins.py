"""Look-up by file name: the files of a folder of this package are the list of what there is."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from genlab.runtime.errors import InputError


def names(folder: str) -> list[str]:
    """Returns the names of the modules in `folder`, sorted.

    Args:
        folder: A sub-package of genlab: `"models"`, `"data"` or `"metrics"`.
    """
    package = importlib.import_module(f"genlab.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def find(folder: str, name: str, where: str) -> ModuleType:
    """Imports the module called `name` in `folder`, after `check`."""
    check(folder, name, where)
    return importlib.import_module(f"genlab.{folder}.{name}")


def check(folder: str, name: str, where: str) -> None:
    """Sees to it that `folder` has a module called `name`, without importing it.

    Args:
        folder: A sub-package of genlab: `"models"`, `"data"` or `"metrics"`.
        name: The file's name without its ending.
        where: Where the user wrote the name, for the error: `"params.yaml: models.vae.kind"`.

    Raises:
        InputError: There is no such file; the message lists those that there are.
    """
    known = names(folder)
    if name not in known:
        raise InputError(
            f"{where} must be one of {', '.join(known)}{nearest(name, known)}",
            f"{name!r}",
            f"See {where}",
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns `" (nearest: 'x')"` for the known name most like `name`, or nothing where none is like it."""
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (nearest: {matches[0]!r})" if matches else ""
