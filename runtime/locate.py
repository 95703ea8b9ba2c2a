"""Which model to use when the user names none."""

from __future__ import annotations

from pathlib import Path

from ..common.errors import EdgeError

EXPORTS = Path("exports")


def default_model(folder: Path = EXPORTS) -> Path:
    """Return the newest int8 ONNX file in `folder`, else the newest ONNX file.

    Raises:
        EdgeError: there is none.
    """
    for pattern in ("fmnist-*-int8.onnx", "fmnist-*.onnx"):
        found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)
        if found:
            return found[-1]
    hint = "name one with --model, or make one: fmnist-edge export --int8"
    raise EdgeError(f"no model in {folder}", expected="a file fmnist-*.onnx", got="none", hint=hint)
