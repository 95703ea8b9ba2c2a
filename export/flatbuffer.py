"""TFLite's flatbuffer, read into objects that can be changed, and written again."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

_FILE_IDENTIFIER = b"TFL3"
_LAST_OLD_CODE = 127
"""What older readers take for an operator whose number does not fit into their byte."""


def read_model(content: bytes) -> Any:
    """Parse a flatbuffer into the schema's object form (`schema.ModelT`)."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # it has no types
    """Writes equal vectors once: scales and zero points, one a channel, are an eighth of a small network's file."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802  (the name that the schema calls)
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


def write_model(model: Any) -> bytes:
    """Serialize what `read_model` returned."""
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def operator_name(model: Any, operator: Any) -> str:
    """Return the name of an operator: of a built-in one such as ``CONV_2D``, of a custom one that in the file."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number == schema.BuiltinOperator.CUSTOM and code.customCode is not None:
        return str(code.customCode.decode(errors="replace"))
    names = (str(name) for name, value in vars(schema.BuiltinOperator).items() if value == number)
    return next(names, f"BUILTIN_{number}")  # one that is newer than the schema here


def operator_code(model: Any, kind: str, *, version: int = 1) -> int:
    """Return the index of the code of a built-in operator, such as ``ADD``; add one where there is none."""
    number = getattr(schema.BuiltinOperator, kind)
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, _LAST_OLD_CODE), version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def add_buffer(model: Any, data: bytes) -> int:
    """Add the bytes of a constant, and return the index of their buffer."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1
