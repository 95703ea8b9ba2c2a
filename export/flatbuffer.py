"""TFLite's flatbuffer, read into objects that can be changed, and written again."""

from __future__ import annotations

from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_FILE_IDENTIFIER = b"TFL3"


def read_model(content: bytes) -> Any:
    """Parse a flatbuffer into the schema's object form (`schema.ModelT`)."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def write_model(model: Any) -> bytes:
    """Serialize what `read_model` returned."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def operator_name(model: Any, operator: Any) -> str:
    """Return the name of a built-in operator, such as ``CONV_2D``."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return str(next(name for name, value in vars(schema.BuiltinOperator).items() if value == number))
