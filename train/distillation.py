"""Learning from a stronger model: its answers to the very pictures that the model sees, mixed into the labels.

After G. Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, at a temperature of 1; that
teacher and model see the same changed picture is from L. Beyer et al., "A good teacher is patient and consistent",
arXiv 2106.05237.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..dataset import LABELS
from ..runtime.locate import named_model
from ..runtime.runner import SUFFIXES, ExportedRunner, open_runner
from .keras_model import load_keras_model
from .options import TrainOptions
from .run_folder import find_model

Answer = Callable[[Any], Any]
"""Maps float32 pixels ``(n, 28, 28, 1)``, 0 to 255, to probabilities, float32 ``(n, 10)``, inside TensorFlow."""


@dataclass(frozen=True)
class Teacher:
    """One model or several, which answer together.

    Attributes:
        answers: of each model; their mean is the answer.
        weight: how much of a label is the answer, 0 to 1; the rest is the label itself.
        mirrors: whether each model is asked about the mirrored picture, too.
    """

    answers: tuple[Answer, ...]
    weight: float
    mirrors: bool = False

    @classmethod
    def of(cls, options: TrainOptions) -> Teacher | None:
        """Load the teacher that `options` name, or return None where they name none.

        Where the training mirrors pictures, both sides of a picture are meant to have the same answer; so the teacher
        looks at both, and knows better: 95.8% instead of 95.5% of the validation images for the strong in the box.

        Raises:
            EdgeError: a file cannot be loaded, or has other classes than the dataset.
        """
        if not options.teacher:
            return None
        answers = tuple(_load(find_teacher(name)) for name in options.teacher)
        return cls(answers, options.teacher_weight, mirrors=options.flip)

    def blend(self, pixels: Any, shares: Any) -> Any:
        """Mix the answers to `pixels`, float32 ``(n, 28, 28, 1)``, into `shares`, float32 ``(n, classes)``."""
        views = [pixels, tf.reverse(pixels, axis=[2])] if self.mirrors else [pixels]
        answers = [answer(view) for view in views for answer in self.answers]
        return (1 - self.weight) * shares + self.weight * tf.add_n(answers) / len(answers)


def find_teacher(name: str) -> Path:
    """Return the file that a teacher's name stands for: a network in the box, a model file, or that of a run folder.

    Of a network in the box it is the int8 file: that answers several times as fast, and nearly the same.

    Raises:
        EdgeError: a folder without a finished run.
    """
    path = named_model(Path(name))
    return find_model(path) if path.is_dir() else path


def describe_teacher(names: Sequence[str]) -> list[dict[str, str]]:
    """Return the name and hash of every teacher, for the configuration of a run."""
    return [{"file": name, "sha256": sha256_hex(find_teacher(name).read_bytes())} for name in names]


def _load(path: Path) -> Answer:
    if path.suffix in SUFFIXES:
        runner = open_runner(path)
        _require_classes(path, runner.classes)
        return _asking(runner)
    model = load_keras_model(path)
    _require_classes(path, int(model.output_shape[1]))
    return lambda pixels: model(pixels, training=False)


def _asking(runner: ExportedRunner) -> Answer:
    """Let TensorFlow ask an exported model, which sees whole numbers."""

    def ask(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return runner.infer(np.rint(pixels[..., 0]).astype(np.uint8))

    def answer(pixels: Any) -> Any:
        probabilities = tf.numpy_function(ask, [pixels], tf.float32, stateful=False)
        return tf.ensure_shape(probabilities, [None, runner.classes])

    return answer


def _require_classes(path: Path, classes: int) -> None:
    if classes != len(LABELS):
        expected = f"{len(LABELS)}, as in Fashion-MNIST"
        raise EdgeError(f"the teacher {path} has another number of classes", expected=expected, got=str(classes))
