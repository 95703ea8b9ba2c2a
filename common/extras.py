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
        EdgeError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EdgeError(needed, got=str(error), hint=f"pip install 'fmnist-edge[{extra}]'") from error
