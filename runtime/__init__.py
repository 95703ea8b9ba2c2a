"""Exported model and picture to prediction. Needs numpy, onnxruntime and pillow; LiteRT where it is installed.

>>> from fmnist_edge.runtime import Classifier
>>> prediction = Classifier("fmnist-seed-int8.onnx").predict("picture.png")  # doctest: +SKIP
>>> prediction.label, round(prediction.probability, 2)  # doctest: +SKIP
('Ankle boot', 0.98)
"""

from .card import ModelCard
from .classifier import Classifier, Prediction
from .runner import Runner, open_runner

__all__ = ["Classifier", "ModelCard", "Prediction", "Runner", "open_runner"]
