"""The arguments of an architecture beyond those that every one has: what a search may vary about its shape.

A function ``build(*, classes, dropout, width=64)`` may be given another ``width``, as the table ``arch_options`` of the
training options says. The default of an argument tells what kind of value it takes.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..common.errors import EdgeError

_COMMON = ("classes", "dropout")


def extra_arguments(build: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments of `build` that may be chosen, and their defaults.

    >>> def build(*, classes, dropout, width=64): ...
    >>> extra_arguments(build)
    {'width': 64}
    """
    parameters = inspect.signature(build).parameters.values()
    named = [entry for entry in parameters if entry.kind in (entry.KEYWORD_ONLY, entry.POSITIONAL_OR_KEYWORD)]
    return {entry.name: entry.default for entry in named if entry.name not in _COMMON}


def check_arch_options(arch: str, build: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check that `build` takes the arguments `given`.

    Raises:
        EdgeError: it has no argument of that name (the nearest is named), or one of another kind.
    """
    known = extra_arguments(build) if given else {}
    for name, value in given.items():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            takes = f"use one of {', '.join(known)}" if known else f"{arch} takes none"
            hint = f"did you mean {nearest[0]}?" if nearest else takes
            raise EdgeError(f"{arch} has no argument {name!r}", hint=hint)
        if not accepts(known[name], value):
            expected = type(known[name]).__name__
            raise EdgeError(f"{arch} cannot be built with this {name}", expected=expected, got=repr(value))


def accepts(default: object, value: object) -> bool:
    """Tell whether `value` is of the kind of `default`; a default that is no plain value tells nothing.

    >>> accepts(64, 32), accepts(64, 0.5), accepts(0.5, 1), accepts(True, 1), accepts("cross", "square")
    (True, False, True, False, True)
    """
    if not isinstance(default, (bool, int, float, str)):
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, (int, float) if isinstance(default, float) else type(default))
