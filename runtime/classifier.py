"""What a maker uses: a model file, a picture, an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.closing import Closing
from ..common.errors import EdgeError
from .picture import Picture, load_picture
from .runner import open_runner


@dataclass(frozen=True)
class Prediction:
    """The answer to one picture.

    Attributes:
        label: name of the most probable class.
        index: its index.
        probability: its probability, in [0, 1].
        probabilities: of every class, in label order; they sum to 1.
        labels: the class names, in label order.
    """

    label: str
    index: int
    probability: float
    probabilities: tuple[float, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.float32], labels: tuple[str, ...]) -> Prediction:
        """Make a prediction of one row of a model's output, float32 ``(classes,)``.

        >>> Prediction.of(np.array([0.25, 0.75], np.float32), ("Bag", "Coat")).label
        'Coat'
        """
        index = int(probabilities.argmax())
        row = tuple(probabilities.tolist())
        return cls(label=labels[index], index=index, probability=row[index], probabilities=row, labels=labels)

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the `count` most probable classes with their probabilities, most probable first.

        >>> Prediction.of(np.array([0.25, 0.75], np.float32), ("Bag", "Coat")).top(2)
        [('Coat', 0.75), ('Bag', 0.25)]
        """
        ranked = sorted(zip(self.labels, self.probabilities, strict=True), key=lambda pair: -pair[1])
        return ranked[:count]


class Classifier(Closing):
    """Classify pictures with an exported model.

    Args:
        path: an .onnx file, or a .tflite file where LiteRT is installed.
        threads: processor threads for one picture; one is fastest for small models.

    Raises:
        EdgeError: the model cannot be used; says why.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        self._runner = open_runner(Path(path), threads=threads)
        self.labels = self._runner.card.labels

    def predict(self, picture: Picture) -> Prediction:
        """Classify one picture: a path, bytes, a PIL image, or uint8 ``(h, w)``, ``(h, w, 3)``, ``(h, w, 4)``.

        Raises:
            EdgeError: the picture cannot be used; says why.
        """
        return Prediction.of(self._runner.infer(load_picture(picture)[np.newaxis])[0], self.labels)

    def predict_batch(self, pictures: Iterable[Picture]) -> list[Prediction]:
        """Classify several pictures in one run of the model.

        Raises:
            EdgeError: one of the pictures cannot be used, or there are none.
        """
        images = [load_picture(picture) for picture in pictures]
        if not images:
            raise EdgeError("nothing to classify", expected="at least one picture", got="none")
        return [Prediction.of(row, self.labels) for row in self._runner.infer(np.stack(images))]

    def close(self) -> None:
        """Free the model; the classifier cannot be used after."""
        self._runner.close()
