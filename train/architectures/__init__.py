"""The registry of architectures: every module of this folder is one, under its own name.

A module offers ``build(*, classes: int, dropout: float) -> keras.Model``: raw pixels 0 to 255, float32
``(n, 28, 28, 1)``, in; probabilities ``(n, classes)`` out. To add an architecture, add one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol, cast

from ...common.errors import EdgeError

if TYPE_CHECKING:
    import keras


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


def load_architecture(name: str) -> Build:
    """Return the `build` function of the architecture `name`.

    Raises:
        EdgeError: no such architecture.
    """
    names = architecture_names()
    if name not in names:
        raise EdgeError(f"unknown architecture {name!r}", expected=f"one of {', '.join(names)}", hint="see --arch")
    return cast("Build", importlib.import_module(f"{__name__}.{name}").build)
