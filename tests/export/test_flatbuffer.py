"""Operators are named also where the schema here does not know them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ai_edge_litert import schema_py_generated as schema

from fmnist_edge.export.flatbuffer import operator_name


def named(builtin: int, *, deprecated: int = 0, custom: bytes | None = None) -> str:
    code = SimpleNamespace(builtinCode=builtin, deprecatedBuiltinCode=deprecated, customCode=custom)
    return operator_name(SimpleNamespace(operatorCodes=[code]), SimpleNamespace(opcodeIndex=0))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (named(schema.BuiltinOperator.CONV_2D), "CONV_2D"),
        (named(0, deprecated=schema.BuiltinOperator.CONV_2D), "CONV_2D"),  # as files of earlier years have it
        (named(schema.BuiltinOperator.CUSTOM, custom=b"FlexErf"), "FlexErf"),
        (named(schema.BuiltinOperator.CUSTOM), "CUSTOM"),
        (named(9_999), "BUILTIN_9999"),
    ],
)
def test_every_operator_has_a_name(name: str, expected: str) -> None:
    assert name == expected
