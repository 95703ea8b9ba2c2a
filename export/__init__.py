"""A trained Keras model to files for a device: recipes, calibration, converters. Needs the extra ``[export]``.

The inspection of finished files (`inspection`) works without TensorFlow, and needs the extra ``[inspect]`` only.
"""

from __future__ import annotations

from ..common.extras import import_extra
from ..train import require_tensorflow

_NEEDED = ("onnx", "tf2onnx", "flatbuffers", "ai_edge_litert.schema_py_generated")


def require_converters() -> None:
    """Import TensorFlow and the converters.

    Raises:
        EdgeError: one of them is not installed; says which.
    """
    require_tensorflow()
    for name in _NEEDED:
        import_extra(name, needed=f"{name.split('.')[0]} is needed to export", extra="export")
