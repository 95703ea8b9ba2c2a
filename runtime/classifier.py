"""What a maker uses: a model, a picture, an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.box import DATASET, IN_USE, PHOTO, REINSTALL, int8_model
from ..common.closing import Closing
from ..common.errors import EdgeError
from .backend import Backend, open_backend
from .confidence import DEFAULT, Confidence
from .picture import Kind, Picture, Prepared, prepare
from .runner import SIDE, ExportedRunner
from .trust import Trust

_AT_ONCE = 256
_MADE_FOR = {"dataset": DATASET, "photo": PHOTO}
"""Which model in the box answers which kind of picture."""


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


class _Model:
    """A model that was opened, and how far its answers are to be trusted."""

    def __init__(self, path: Path, threads: int, backend: Backend, trust: Trust) -> None:
        self.runner: ExportedRunner = open_backend(path, threads=threads, backend=backend, trust=trust)
        self.calibration = Confidence.of_card(self.runner.card, source=str(path))
        self.labels = self.runner.labels

    def answer(self, prepared: Prepared, rows: npt.NDArray[np.float32]) -> Prediction:
        """Make a prediction of what the model said to the views of a picture, float32 ``(k, classes)``."""
        if prepared.garment is None:
            return Prediction.of(rows[0], self.labels, self.calibration)
        return Prediction.of_views(rows, self.labels, self.calibration, found=prepared.garment.found)


class Classifier(Closing):
    """Classify pictures with an exported model, or with those that come with the package.

    Args:
        path: an .onnx file, or a .tflite file where LiteRT is installed. Left out, the models in the box: pictures like
            those of the dataset and photos have one each, and it is opened when the first such picture comes.
        threads: processor threads for one picture; one is fastest for small models.
        backend: ``onnxruntime`` or ``litert`` decide by hand; they take the file of their format beside `path`, if
            `path` is of the other. ``auto`` runs `path`; where that is an .onnx file, LiteRT is installed and a .tflite
            file of the same network and name lies beside it, both are timed once on this machine, and the faster one
            is used from then on, if their answers are the same.
        verify: refuse a file that is not as it was exported, or that carries no digest to tell by. Without, its digest
            is not looked at, and a file of another tool is run, too, if it takes and returns the same.
        signed_by: run nothing but what was signed with the key that belongs to this file: a public key, or certificates
            (PEM). The environment variable FMNIST_EDGE_REQUIRE_SIGNATURE asks for the same.

    Raises:
        EdgeError: the model cannot be used; says why.

    >>> with Classifier() as classifier:  # doctest: +SKIP
    ...     answer = classifier.predict("photo.jpg")
    ...     print(answer.label, "perhaps" if answer.unsure else "surely")
    Dress surely
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        threads: int = 1,
        backend: Backend = "auto",
        verify: bool = True,
        signed_by: str | Path | None = None,
    ) -> None:
        self._threads, self._asked = threads, backend
        self._trust = Trust.chosen(verify=verify, signed_by=signed_by)
        self._models: dict[str, _Model] = {}
        if path is not None:
            self._models = dict.fromkeys(_MADE_FOR, self._open(Path(path)))
        else:
            _require_box()

    @property
    def backend(self) -> Backend:
        """The runtime in use."""
        return "litert" if self._any().runner.format == "tflite" else "onnxruntime"

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of `Prediction.probabilities`."""
        return self._any().labels

    @property
    def opened(self) -> tuple[Path, ...]:
        """The files that were opened: one, or of the box those that were needed so far."""
        return tuple(dict.fromkeys(model.runner.path for model in self._models.values()))

    def predict(self, picture: Picture, *, kind: Kind = "auto") -> Prediction:
        """Classify one picture: a path, bytes, a PIL image, or uint8 ``(h, w)``, ``(h, w, 3)``, ``(h, w, 4)``.

        Args:
            picture: pictures of the dataset are taken as they are; on everything else, the garment is looked for.
            kind: ``dataset`` or ``photo`` decides by hand which of the two it is.

        Raises:
            EdgeError: the picture cannot be used; says why.
        """
        if kind == "auto" and isinstance(picture, np.ndarray) and picture.shape == (SIDE, SIDE):
            model = self._model("dataset")
            return Prediction.of(model.runner.infer(picture[np.newaxis])[0], model.labels, model.calibration)
        return self.predict_prepared(prepare(picture, kind=kind))

    def predict_prepared(self, prepared: Prepared) -> Prediction:
        """Classify what `prepare` made of a picture."""
        model = self._model(prepared.kind)
        return model.answer(prepared, model.runner.infer(prepared.views))

    def predict_batch(self, pictures: Iterable[Picture], *, kind: Kind = "auto") -> list[Prediction]:
        """Classify several pictures in few runs of the model.

        Raises:
            EdgeError: one of the pictures cannot be used, or there are none.
        """
        prepared = [prepare(picture, kind=kind) for picture in pictures]
        if not prepared:
            raise EdgeError("nothing to classify", expected="at least one picture", got="none")
        shares: dict[_Model, list[int]] = {}
        for position, one in enumerate(prepared):
            shares.setdefault(self._model(one.kind), []).append(position)
        answers: dict[int, Prediction] = {}
        for model, positions in shares.items():
            answers |= zip(positions, _answer_all(model, [prepared[at] for at in positions]), strict=True)
        return [answers[position] for position in range(len(prepared))]

    def _model(self, kind: str) -> _Model:
        """Return the model for a kind of picture, ``dataset`` or ``photo``, and open it where that was not done yet."""
        model = self._models.get(kind)
        if model is None:
            model = self._models[kind] = self._open(int8_model(_MADE_FOR[kind]))
        return model

    def _any(self) -> _Model:
        """Return a model that is open, or else open one; they share labels and, mostly, the runtime."""
        return next(iter(self._models.values()), None) or self._model("dataset")

    def _open(self, path: Path) -> _Model:
        return _Model(path, self._threads, self._asked, self._trust)

    def close(self) -> None:
        """Free what was opened; the classifier cannot be used after."""
        opened = set(self._models.values())
        del self._models
        for model in opened:
            model.runner.close()


def _answer_all(model: _Model, prepared: list[Prepared]) -> list[Prediction]:
    """Answer several pictures in few runs of the model."""
    views = np.concatenate([one.views for one in prepared])
    rows = np.concatenate([model.runner.infer(views[at : at + _AT_ONCE]) for at in range(0, len(views), _AT_ONCE)])
    ends = np.cumsum([len(one.views) for one in prepared])[:-1]
    return [model.answer(one, part) for one, part in zip(prepared, np.split(rows, ends), strict=True)]


def _require_box() -> None:
    """Check that the models in the box are there before a camera is opened or a service begins to wait.

    Raises:
        EdgeError: one is missing.
    """
    for name in IN_USE:
        if not int8_model(name).is_file():
            expected = "a whole installation"
            raise EdgeError(f"no model at {int8_model(name)}", expected=expected, got="none", hint=REINSTALL)
