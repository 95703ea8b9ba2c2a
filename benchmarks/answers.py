"""What one model said to every image of a split: computed once, kept, everything else is derived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split
from ..runtime.runner import Runner
from .fingerprint import file_sha256

_CHUNK = 500


@dataclass(frozen=True)
class Answers:
    """What one model said to every image of a split.

    Attributes:
        name: unique in a report; the file's name.
        format: ``keras``, ``onnx`` or ``tflite``.
        recipe: how it was exported; ``float32`` for Keras.
        size_bytes: of the file.
        sha256: of the file.
        probabilities: float32 ``(n, classes)``, columns in the order of the dataset's labels.
    """

    name: str
    format: str
    recipe: str
    size_bytes: int
    sha256: str
    probabilities: npt.NDArray[np.float32]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable classes, int64 ``(n,)``."""
        predicted: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return predicted


def collect_answers(path: Path, runner: Runner, split: Split, *, progress: Progress = silent) -> Answers:
    """Run one model over `split`.

    A model whose card names the dataset's classes in another order is aligned with them.

    Raises:
        EdgeError: the model has other classes than the dataset.
    """
    name = model_name(path)
    card = getattr(runner, "card", None)
    columns = class_columns(name, runner.classes, card.labels if card is not None else None)
    parts = []
    for start in range(0, len(split), _CHUNK):
        progress(f"evaluating {name}", start, len(split))
        parts.append(runner.infer(split.images[start : start + _CHUNK]))
    progress(f"evaluating {name}", len(split), len(split))
    probabilities = np.concatenate(parts)
    return Answers(
        name=name,
        format=runner.format,
        recipe=card.recipe if card is not None else "float32" if runner.format == "keras" else "unknown",
        size_bytes=path.stat().st_size,
        sha256=file_sha256(path),
        probabilities=probabilities if columns is None else probabilities[:, columns],
    )


def class_columns(name: str, classes: int, labels: Sequence[str] | None) -> list[int] | None:
    """Return which column of a model's output is each class of the dataset; None where they already are in order.

    Args:
        name: of the model, for the error.
        classes: columns of its output.
        labels: what its card calls them; None for a model without a card, whose order is taken for the dataset's.

    >>> class_columns("a.onnx", 10, None), class_columns("a.onnx", 10, LABELS[::-1])
    (None, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])

    Raises:
        EdgeError: other classes than the dataset's.
    """
    if classes != len(LABELS) or (labels is not None and sorted(labels) != sorted(LABELS)):
        got = ", ".join(labels) if labels is not None else f"{classes} classes"
        raise EdgeError(f"{name} has other classes than the dataset", expected=", ".join(LABELS), got=got)
    if labels is None or tuple(labels) == LABELS:
        return None
    return [list(labels).index(label) for label in LABELS]


def model_name(path: Path) -> str:
    """Return the name of a model in a report; every run's model is called model.keras, so that takes its folder's.

    >>> model_name(Path("runs/seed/model.keras")), model_name(Path("exports/a.onnx"))
    ('seed/model.keras', 'a.onnx')
    """
    return f"{path.resolve().parent.name}/{path.name}" if path.name == "model.keras" else path.name
