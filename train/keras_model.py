"""A trained Keras model: loading it safely, and running it like any exported one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..common.closing import Closing
from ..common.errors import EdgeError

_BATCH = 250
MAX_MEMBERS = 100
MAX_RATIO = 4
MAX_SLACK_BYTES = 16 << 20
"""What a .keras file may unpack to: so many files, and so many times its size and so much more."""


def load_keras_model(path: Path) -> keras.Model:
    """Load a .keras file in safe mode: no code of the file is run.

    Raises:
        EdgeError: missing, not a .keras file, truncated, or with other shapes than images in and classes out.
    """
    if not path.is_file():
        raise EdgeError(f"cannot read {path}", expected="a .keras file", got="a folder" if path.is_dir() else "nothing")
    if not zipfile.is_zipfile(path):
        got = f"{path.stat().st_size:,} bytes that are no zip archive"
        raise EdgeError(f"cannot load {path}", expected="a whole .keras file", got=got, hint="train or copy it again")
    _require_plain_archive(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras lets KeyError, OSError, TypeError, ValueError and zipfile's own through
        hint = "train or copy it again"
        raise EdgeError(f"cannot load {path}", expected="a Keras 3 model", got=str(error), hint=hint) from error
    check_shapes(model, str(path))
    return model


def _require_plain_archive(path: Path) -> None:
    """Check what is in a .keras file before it is unpacked: Keras stores its weights as they are, not compressed.

    Raises:
        EdgeError: it would unpack to many times its size, to too many files, or outside its folder.
    """
    hint = "train or copy it again"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise EdgeError(f"cannot load {path}", expected="a whole .keras file", got=str(error), hint=hint) from error
    odd = [name for name in (member.filename for member in members) if name.startswith("/") or ".." in name.split("/")]
    size, bound = sum(member.file_size for member in members), MAX_RATIO * path.stat().st_size + MAX_SLACK_BYTES
    if odd or len(members) > MAX_MEMBERS or size > bound:
        got = repr(odd[0]) if odd else f"{len(members):,} files of {size:,} bytes in all"
        expected = f"at most {MAX_MEMBERS} files of {bound:,} bytes inside"
        raise EdgeError(f"cannot load {path}", expected=expected, got=got, hint=hint)


def check_shapes(model: keras.Model, name: str) -> None:
    """Check that `model` maps ``(n, 28, 28, 1)`` to ``(n, classes)``.

    Raises:
        EdgeError: it does not.
    """
    got = f"{getattr(model, 'input_shape', None)} -> {getattr(model, 'output_shape', None)}"
    fits = getattr(model, "input_shape", None) == (None, 28, 28, 1)
    output = getattr(model, "output_shape", None)
    if not fits or not isinstance(output, tuple) or len(output) != 2 or not output[1]:
        raise EdgeError(f"{name} has other shapes", expected="(None, 28, 28, 1) -> (None, classes)", got=got)


class KerasRunner(Closing):
    """The float reference: a Keras model behind the same `Runner` protocol as the exported ones."""

    format = "keras"

    def __init__(self, model: keras.Model, *, name: str = "keras") -> None:
        self._model = model
        self.name = name

    @classmethod
    def open(cls, path: Path) -> KerasRunner:
        """Load the model at `path`.

        Raises:
            EdgeError: see `load_keras_model`.
        """
        return cls(load_keras_model(path), name=path.stem)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self._model.output_shape[1])

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 ``(n, 28, 28)`` to probabilities, float32 ``(n, classes)``."""
        pixels = images[..., np.newaxis].astype(np.float32)
        parts = [
            keras.ops.convert_to_numpy(self._model.predict_on_batch(pixels[start : start + _BATCH]))
            for start in range(0, len(pixels), _BATCH)
        ]
        empty = np.empty((0, self.classes), np.float32)
        return np.concatenate([empty, *parts]).astype(np.float32)

    def close(self) -> None:
        """Let go of the model."""
        del self._model
