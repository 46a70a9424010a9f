"""The source files that a result depends on: a module and all that it runs through by imports.

`train_key`, the keys of kept features and the test of `deps` in dvc.yaml read this one list, which
is made from the imports themselves. It may hold more than what runs (an import for types counts),
never less; but modules that are found by name, like models, must be asked for.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
WITHOUT_EFFECT = ("runtime", "tracking", "workflows", "__init__.py")
"""What changes no result: errors, files, progress and signals; records and locks; public names."""


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
    """Returns the files of this package that importing and calling a file runs."""
    del modified  # a changed file is read again
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):  # functions import too
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(sorted({file for name in names for file in _run_by(name)}))


def _run_by(name: str) -> Iterator[Path]:
    """Yields the files that `import name` runs: those of its packages, and its own."""
    root, *parts = name.split(".")
    for end in range(1, len(parts) + 1 if root == "genlab" else 0):
        path = PACKAGE.joinpath(*parts[:end])
        candidates = (path.with_suffix(".py"), path / "__init__.py")
        yield from (file for file in candidates if file.is_file())
