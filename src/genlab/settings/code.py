"""The source files that a result depends on: a module and, by its imports, all that it runs through.

`train_key`, the keys of kept features and the test of `deps` in dvc.yaml all read this one list, and it is made from
the imports themselves: nobody keeps it by hand.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
WITHOUT_EFFECT = ("runtime",)
"""Rooms that change no result: errors, files, progress, signals."""


def files(*modules: str | Path) -> list[Path]:
    """Returns the sources of `modules` and of all that they import from this package, sorted.

    Args:
        modules: Dotted names below `genlab`, `"training"` or `"models.vae"`, or files. A package
            stands for all of its modules.
    """
    return sorted(_closure(modules))


def digest(*modules: str | Path) -> str:
    """Returns the SHA-256 of the names and contents of `files(*modules)`."""
    sha256 = hashlib.sha256()
    for path in files(*modules):
        name = path.relative_to(PACKAGE).as_posix() if PACKAGE in path.parents else path.name
        sha256.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return sha256.hexdigest()


def _closure(modules: Iterable[str | Path]) -> set[Path]:
    reached: set[Path] = set()
    waiting = [path for module in modules for path in _members(module)]
    while waiting:
        path = waiting.pop()
        if path not in reached and not _is_without_effect(path):
            reached.add(path)
            waiting += _imported(path, path.stat().st_mtime_ns)
    return reached


def _is_without_effect(path: Path) -> bool:
    return PACKAGE in path.parents and path.relative_to(PACKAGE).parts[0] in WITHOUT_EFFECT


def _members(module: str | Path) -> Iterator[Path]:
    """Yields the files of a module, or of all modules of a package."""
    path = module if isinstance(module, Path) else PACKAGE.joinpath(*module.split("."))
    if path.is_dir():
        yield from path.rglob("*.py")
    else:
        yield path.with_suffix(".py")


@functools.cache
def _imported(path: Path, modified: int) -> tuple[Path, ...]:
    """Returns the files of this package that a file imports, inside of functions too."""
    del modified  # a changed file is read again
    targets: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "genlab":
            package = str(node.module).split(".")[1:]
            targets |= _resolve(package)
            targets.update(*(_resolve([*package, alias.name]) for alias in node.names))
    return tuple(sorted(targets))


def _resolve(parts: list[str]) -> set[Path]:
    """Returns the file of a dotted name below `genlab`; nothing where it is no module."""
    path = PACKAGE.joinpath(*parts)
    candidates = (path.with_suffix(".py"), path / "__init__.py") if parts else ()
    return {file for file in candidates if file.is_file()}
