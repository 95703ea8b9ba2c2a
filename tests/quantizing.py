"""Quantize in one way, for tests that export but are not about the choice among nine (tests/export/test_int8.py is)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def quantizing_in_one_way() -> Iterator[None]:
    """Let exports of this process quantize by minimum and maximum, which takes a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fmnist_edge.export.int8.STRENGTHS", (0.0,))
        patch.setattr("fmnist_edge.export.int8.METHODS", {})
        yield
