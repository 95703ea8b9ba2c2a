"""Learning from a stronger model: its answers to the very pictures that the model sees, mixed into the labels.

After G. Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, at a temperature of 1; that
teacher and model see the same changed picture is from L. Beyer et al., "A good teacher is patient and consistent",
arXiv 2106.05237.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..dataset import LABELS
from .keras_model import load_keras_model
from .options import TrainOptions


@dataclass(frozen=True)
class Teacher:
    """One model or several, which answer together.

    Attributes:
        models: of raw pixels; the mean of their probabilities is the answer.
        weight: how much of a label is the answer, 0 to 1; the rest is the label itself.
    """

    models: tuple[keras.Model, ...]
    weight: float

    @classmethod
    def of(cls, options: TrainOptions) -> Teacher | None:
        """Load the teacher that `options` name, or return None where they name none.

        Raises:
            EdgeError: a file cannot be loaded, or has other classes than the dataset.
        """
        if not options.teacher:
            return None
        return cls(tuple(_load(Path(name)) for name in options.teacher), options.teacher_weight)

    def blend(self, pixels: Any, shares: Any) -> Any:
        """Mix the answers to `pixels`, float32 ``(n, 28, 28, 1)``, into `shares`, float32 ``(n, classes)``."""
        answers = [model(pixels, training=False) for model in self.models]
        return (1 - self.weight) * shares + self.weight * tf.add_n(answers) / len(answers)


def describe_teacher(names: Sequence[str]) -> list[dict[str, str]]:
    """Return the file and hash of every teacher, for the configuration of a run."""
    return [{"file": name, "sha256": sha256_hex(Path(name).read_bytes())} for name in names]


def _load(path: Path) -> keras.Model:
    model = load_keras_model(path)
    classes = int(model.output_shape[1])
    if classes != len(LABELS):
        expected = f"{len(LABELS)}, as in Fashion-MNIST"
        raise EdgeError(f"the teacher {path} has another number of classes", expected=expected, got=str(classes))
    return model
