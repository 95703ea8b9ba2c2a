"""Predictions kept in a file: so that a device without TensorFlow is compared with what a Keras model said elsewhere.

One .npz file of numpy holds the probabilities of one or more models, the true classes, and a line of JSON that says
which images they belong to. It is read without pickle: no code of the file is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.files import atomic_path
from ..dataset import LABELS, Split
from .answers import Answers

PREDICTIONS_VERSION = 1
MAX_BYTES = 256 << 20
"""Unpacked; the probabilities of a hundred models on the test images have 40 MB."""
_ARRAYS = ("about", "labels", "probabilities")
_FIELDS = {"name": str, "format": str, "recipe": str, "size_bytes": int, "sha256": str}
_TOLERANCE = 1e-3
_HINT = "write it again: fmnist-edge evaluate MODEL --save-predictions FILE.npz"


def save_predictions(answers: Sequence[Answers], split: Split, path: Path) -> Path:
    """Write the answers of all models to `path`, and return it.

    Raises:
        EdgeError: the name does not end in .npz, or the file cannot be written.
    """
    if path.suffix != ".npz":
        raise EdgeError("unusable name for predictions", expected="a file ending in .npz", got=str(path))
    about = {
        "predictions_version": PREDICTIONS_VERSION,
        "dataset": dataset_of(split),
        "labels": list(LABELS),
        "models": [{field: getattr(entry, field) for field in _FIELDS} for entry in answers],
    }
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            labels=split.labels,
            probabilities=np.stack([entry.probabilities for entry in answers]),
        )
    return path


def dataset_of(split: Split) -> dict[str, Any]:
    """Say which images a result belongs to: the dataset, the part of it, how many, and their digest."""
    return {"name": "Fashion-MNIST", "split": split.name, "n": len(split), "sha256": split.sha256}


def load_predictions(path: Path, split: Split) -> list[Answers]:
    """Read what `save_predictions` wrote, for the same images.

    Raises:
        EdgeError: missing, damaged, of another version, or predictions for other images or classes.
    """
    arrays = _read(path)
    about = _parse(path, arrays["about"])
    _require_same_images(path, about, split)
    models, probabilities = about["models"], arrays["probabilities"]
    expected = (len(models), len(split), len(LABELS))
    if probabilities.dtype != np.float32 or probabilities.shape != expected:
        got = f"{probabilities.dtype} {probabilities.shape}"
        raise EdgeError(f"{path} has wrong probabilities", expected=f"float32 {expected}", got=got, hint=_HINT)
    sums = probabilities.sum(axis=2)
    if not np.all(np.abs(sums - 1) < _TOLERANCE) or probabilities.min() < 0:  # also where one is no number
        raise EdgeError(f"{path} has wrong probabilities", expected="rows that sum to 1", got="others", hint=_HINT)
    if not np.array_equal(arrays["labels"], split.labels):
        raise EdgeError(f"{path} has other labels than the dataset", hint=_HINT)
    return [Answers(**entry, probabilities=rows) for entry, rows in zip(models, probabilities, strict=True)]


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        got = "a folder" if path.is_dir() else "nothing"
        raise EdgeError(f"no predictions at {path}", expected="a file ending in .npz", got=got, hint=_HINT)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            size = sum(member.file_size for member in archive.zip.infolist())
            if size > MAX_BYTES:
                raise ValueError(f"{size:,} bytes, when at most {MAX_BYTES:,} are read")
            return {name: archive[name] for name in _ARRAYS}
    except Exception as error:  # of a damaged archive, numpy and zipfile let through whatever their parsers raise
        raise EdgeError(f"cannot read {path}", expected="saved predictions", got=str(error), hint=_HINT) from error


def _parse(path: Path, content: npt.NDArray[Any]) -> dict[str, Any]:
    try:
        about = json.loads(content.tobytes().decode())
        version = about["predictions_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EdgeError(f"cannot read {path}", expected="saved predictions", got=str(error), hint=_HINT) from error
    if version != PREDICTIONS_VERSION:
        expected = f"version {PREDICTIONS_VERSION}"
        raise EdgeError(f"{path} is of another version", expected=expected, got=repr(version), hint=_HINT)
    models = about.get("models")
    if not isinstance(models, list) or not models or not all(map(_is_model, models)):
        raise EdgeError(f"cannot read {path}", expected="models with all their fields", got="others", hint=_HINT)
    return dict(about)


def _is_model(entry: Any) -> bool:
    return isinstance(entry, dict) and {name: type(value) for name, value in entry.items()} == _FIELDS


def _require_same_images(path: Path, about: dict[str, Any], split: Split) -> None:
    expected, got = dataset_of(split), about.get("dataset")
    if got != expected:
        raise EdgeError(
            f"{path} belongs to other images", expected=_dataset_text(expected), got=_dataset_text(got), hint=_HINT
        )
    if about.get("labels") != list(LABELS):
        labels = ", ".join(map(str, about.get("labels") or ["none"]))
        raise EdgeError(f"{path} has other classes than the dataset", expected=", ".join(LABELS), got=labels)


def _dataset_text(dataset: Any) -> str:
    """Name a dataset shortly, whatever a file holds in its place.

    >>> _dataset_text({"name": "Fashion-MNIST", "split": "test", "n": 10000, "sha256": "9a494dc49efeb996"})
    'Fashion-MNIST test, 10,000 images, SHA-256 9a494dc4…'
    """
    try:
        shown = f"{dataset['name']} {dataset['split']}, {dataset['n']:,} images"
        return f"{shown}, SHA-256 {dataset['sha256'][:8]}…"
    except (KeyError, TypeError, ValueError):
        return "something else"
