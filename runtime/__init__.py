"""Exported model and picture to prediction. Needs numpy, onnxruntime and pillow; LiteRT where it is installed.

The names below are looked up when they are asked for: `doctor` must run where numpy is missing, or crashes.

>>> from fmnist_edge.runtime import Classifier
>>> prediction = Classifier("fmnist-seed-int8.onnx").predict("picture.png")  # doctest: +SKIP
>>> prediction.label, round(prediction.probability, 2)  # doctest: +SKIP
('Ankle boot', 0.98)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .card import ModelCard
    from .classifier import Classifier, Prediction
    from .runner import Runner, open_runner

__all__ = ["Classifier", "ModelCard", "Prediction", "Runner", "open_runner"]

_HOMES = {
    "Classifier": "classifier",
    "ModelCard": "card",
    "Prediction": "classifier",
    "Runner": "runner",
    "open_runner": "runner",
}


def __getattr__(name: str) -> Any:
    """Import a name of `__all__` from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
