"""TOML files that anyone may have written: read whole or refused in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from .errors import EdgeError

MAX_BYTES = 1 << 16
"""All options of a training with their comments take a twentieth of it."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        EdgeError: it cannot be read, is longer than `MAX_BYTES`, or is not TOML.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        values = tomllib.loads(content.decode()) if len(content) <= MAX_BYTES else {}
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a TOML file", got=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:  # tomllib lets through what int() and Python's stack say
        raise EdgeError(f"cannot read {path}", expected="a TOML file", got=str(error)) from error
    if len(content) > MAX_BYTES:
        raise EdgeError(f"cannot read {path}", expected=f"at most {MAX_BYTES:,} bytes", got="more")
    return values
