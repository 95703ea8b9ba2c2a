"""Type in a command: it runs in this process, where TensorFlow may be loaded already."""

from __future__ import annotations

import contextlib
import io
from typing import NamedTuple

import pytest

from fmnist_edge.cli import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def type_in(*words: object) -> Done:
    """Run ``fmnist-edge`` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main([str(word) for word in words])
    code = ended.value.code
    return Done(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())
