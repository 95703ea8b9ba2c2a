"""What a maker uses: a model file, a picture, an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.closing import Closing
from ..common.errors import EdgeError
from .backend import Backend, open_backend
from .confidence import DEFAULT, Confidence
from .picture import Kind, Picture, Prepared, prepare
from .runner import SIDE
from .trust import Trust

_AT_ONCE = 256


@dataclass(frozen=True)
class Prediction:
    """The answer to one picture.

    Attributes:
        label: name of the most probable class.
        index: its index.
        probability: its probability, in [0, 1].
        probabilities: of every class as the model gives them, in label order; they sum to 1. For a photo, the mean over
            several views of it.
        labels: the class names, in label order.
        confidence: how likely the answer is right, in [0, 1]: the probability after calibration (`Confidence`).
        unsure: whether not to build on the answer: the confidence is below the model's threshold; or, of a photo,
            nothing was found on it, or nothing that the model knows well enough.
    """

    label: str
    index: int
    probability: float
    probabilities: tuple[float, ...]
    labels: tuple[str, ...]
    confidence: float
    unsure: bool

    @classmethod
    def of(
        cls, probabilities: npt.NDArray[np.float32], labels: tuple[str, ...], calibration: Confidence = DEFAULT
    ) -> Prediction:
        """Make a prediction of one row of a model's output, float32 ``(classes,)``.

        >>> answer = Prediction.of(np.array([0.25, 0.75], np.float32), ("Bag", "Coat"))
        >>> answer.label, answer.confidence, answer.unsure
        ('Coat', 0.75, False)
        """
        row = tuple(probabilities.tolist())
        index = row.index(max(row))
        confidence = calibration.of_row(row, index)
        unsure = confidence < calibration.threshold
        return cls(labels[index], index, row[index], row, labels, confidence, unsure)

    @classmethod
    def of_views(
        cls, rows: npt.NDArray[np.float32], labels: tuple[str, ...], calibration: Confidence, *, found: bool = True
    ) -> Prediction:
        """Make a prediction of a photo's views, float32 ``(k, classes)``; where nothing was `found`, it is unsure."""
        row = tuple(rows.mean(axis=0, dtype=np.float64).tolist())
        index = row.index(max(row))
        confidence, unclear = calibration.of_views(rows, index)
        return cls(labels[index], index, row[index], row, labels, confidence, unclear or not found)

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
        backend: ``onnxruntime`` or ``litert`` decide by hand; they take the file of their format beside `path`, if
            `path` is of the other. ``auto`` runs `path`; where that is an .onnx file, LiteRT is installed and a .tflite
            file of the same network and name lies beside it, both are timed once on this machine, and the faster one
            is used from then on, if their answers are the same.
        verify: refuse a file that is not as it was exported, or that carries no digest to tell by. Without, its digest
            is not looked at, and a file of another tool is run, too, if it takes and returns the same.
        signed_by: run nothing but what was signed with the key that belongs to this file: a public key, or certificates
            (PEM). The environment variable FMNIST_EDGE_REQUIRE_SIGNATURE asks for the same.

    Attributes:
        backend: the runtime in use.
        labels: the class names, in the order of `Prediction.probabilities`.

    Raises:
        EdgeError: the model cannot be used; says why.

    >>> with Classifier("fmnist-compact-int8.onnx") as classifier:  # doctest: +SKIP
    ...     answer = classifier.predict("photo.jpg")
    ...     print(answer.label, "perhaps" if answer.unsure else "surely")
    Dress surely
    """

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int = 1,
        backend: Backend = "auto",
        verify: bool = True,
        signed_by: str | Path | None = None,
    ) -> None:
        trust = Trust.chosen(verify=verify, signed_by=signed_by)
        self._runner = open_backend(Path(path), threads=threads, backend=backend, trust=trust)
        self.backend: Backend = "litert" if self._runner.format == "tflite" else "onnxruntime"
        self._calibration = Confidence.of_card(self._runner.card, source=str(path))
        self.labels = self._runner.labels

    def predict(self, picture: Picture, *, kind: Kind = "auto") -> Prediction:
        """Classify one picture: a path, bytes, a PIL image, or uint8 ``(h, w)``, ``(h, w, 3)``, ``(h, w, 4)``.

        Args:
            picture: pictures of the dataset are taken as they are; on everything else, the garment is looked for.
            kind: ``dataset`` or ``photo`` decides by hand which of the two it is.

        Raises:
            EdgeError: the picture cannot be used; says why.
        """
        if kind == "auto" and isinstance(picture, np.ndarray) and picture.shape == (SIDE, SIDE):
            return Prediction.of(self._runner.infer(picture[np.newaxis])[0], self.labels, self._calibration)
        return self.predict_prepared(prepare(picture, kind=kind))

    def predict_prepared(self, prepared: Prepared) -> Prediction:
        """Classify what `prepare` made of a picture."""
        return self._answer(prepared, self._runner.infer(prepared.views))

    def predict_batch(self, pictures: Iterable[Picture], *, kind: Kind = "auto") -> list[Prediction]:
        """Classify several pictures in few runs of the model.

        Raises:
            EdgeError: one of the pictures cannot be used, or there are none.
        """
        prepared = [prepare(picture, kind=kind) for picture in pictures]
        if not prepared:
            raise EdgeError("nothing to classify", expected="at least one picture", got="none")
        views = np.concatenate([one.views for one in prepared])
        rows = np.concatenate([self._runner.infer(views[at : at + _AT_ONCE]) for at in range(0, len(views), _AT_ONCE)])
        ends = np.cumsum([len(one.views) for one in prepared])[:-1]
        return [self._answer(one, part) for one, part in zip(prepared, np.split(rows, ends), strict=True)]

    def _answer(self, prepared: Prepared, rows: npt.NDArray[np.float32]) -> Prediction:
        if prepared.garment is None:
            return Prediction.of(rows[0], self.labels, self._calibration)
        return Prediction.of_views(rows, self.labels, self._calibration, found=prepared.garment.found)

    def close(self) -> None:
        """Free the model; the classifier cannot be used after."""
        self._runner.close()
