"""The registry of architectures: every module of this folder is one, under its own name.

A module offers ``build(*, classes: int, dropout: float) -> keras.Model``: raw pixels 0 to 255, float32
``(n, 28, 28, 1)``, in; probabilities ``(n, classes)`` out. To add an architecture, add one file. A TOML file of
the same name beside it is its recipe: the training options that it is trained with where nothing else is said.

An architecture of the user's own is named ``path/to/file.py:function``, and has its recipe beside it likewise.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ...common.errors import EdgeError, one_line

if TYPE_CHECKING:
    import keras

_HERE = Path(__file__).parent


class Build(Protocol):
    """Make a fresh, uncompiled model."""

    def __call__(self, *, classes: int, dropout: float) -> keras.Model:
        """Build the model for `classes` classes; `dropout` is the share of units dropped, in [0, 1)."""
        ...


def architecture_names() -> tuple[str, ...]:
    """List the architectures by name, without importing them (and so without Keras).

    >>> "seed" in architecture_names()
    True
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def check_name(arch: str) -> None:
    """Check that `arch` names an architecture of the registry, or has the form of one of the user's own.

    Raises:
        EdgeError: it does not.
    """
    names = architecture_names()
    if arch not in names and own_parts(arch) is None:
        expected = f"one of {', '.join(names)}, or path/to/file.py:function"
        raise EdgeError(f"unknown architecture {arch!r}", expected=expected, hint="see --arch")


def own_parts(arch: str) -> tuple[Path, str] | None:
    """Split the name of an architecture of the user's own into file and function; None for any other name.

    >>> own_parts("nets/wide.py:build")
    (PosixPath('nets/wide.py'), 'build')
    >>> own_parts("seed") is None
    True
    """
    file, colon, function = arch.rpartition(":")
    return (Path(file), function) if colon and file.endswith(".py") and function.isidentifier() else None


def short_name(arch: str) -> str:
    """Name an architecture as run folders do.

    >>> short_name("seed"), short_name("nets/wide.py:build")
    ('seed', 'wide')
    """
    parts = own_parts(arch)
    return arch if parts is None else parts[0].stem


def recipe_path(arch: str) -> Path | None:
    """Return the recipe of the architecture `arch`, a TOML file, or None where it has none."""
    parts = own_parts(arch)
    path = _HERE / f"{arch}.toml" if parts is None else parts[0].with_suffix(".toml")
    return path if _holds(path.is_file) else None


def _holds(question: Callable[[], bool]) -> bool:
    """Ask a path what it is; it is nothing if that cannot be told."""
    try:
        return question()
    except OSError:  # a name that is too long for any file, or a folder that may not be looked into
        return False


def load_architecture(arch: str) -> Build:
    """Return the function that builds the architecture `arch`.

    Raises:
        EdgeError: no such architecture, or the user's file cannot be imported or has no such function.
    """
    check_name(arch)
    parts = own_parts(arch)
    if parts is None:
        return cast("Build", importlib.import_module(f"{__name__}.{arch}").build)
    return _load_own(*parts)


def _load_own(path: Path, function: str) -> Build:
    """Import the user's file, which runs it, and return the function of that name."""
    if not _holds(path.is_file):
        got = "a folder" if _holds(path.is_dir) else "nothing"
        raise EdgeError(f"cannot read {path}", expected="a Python file with an architecture", got=got)
    spec = importlib.util.spec_from_file_location(f"own_architecture_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise EdgeError(f"cannot read {path}", expected="a Python file with an architecture")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        got = f"{type(error).__name__}: {one_line(error)}"
        raise EdgeError(f"cannot import {path}", got=got, hint="mend the file") from error
    build = getattr(module, function, None)
    if not callable(build):
        expected = f"def {function}(*, classes, dropout)"
        raise EdgeError(f"{path} has no function {function}", expected=expected, hint="see docs/models.md")
    return cast("Build", build)
