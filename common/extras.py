"""Packages that only some installations have."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import EdgeError


def import_extra(name: str, *, needed: str, extra: str) -> ModuleType:
    """Import a module of an optional dependency.

    Args:
        name: of the module.
        needed: what is needed for what, for the error.
        extra: the extra of this package that installs it.

    Raises:
        EdgeError: it is not installed, or does not load.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EdgeError(needed, got=str(error), hint=f"pip install 'fmnist-edge[{extra}]'") from error
    except ImportError as error:
        raise does_not_load(error) from error


def does_not_load(error: ImportError) -> EdgeError:
    """Say why an installed package does not load: one of its libraries is broken, or there is no memory for it."""
    first: BaseException = error
    while (before := first.__cause__ or first.__context__) is not None:  # numpy wraps it into a page of advice
        first = before
    hint = "end other programs, or run: fmnist-edge doctor"
    return EdgeError("a package does not load", got=f"{first or type(first).__name__}", hint=hint)
