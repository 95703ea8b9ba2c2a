"""The readers under test, one function each: bytes in, nothing out, and the contract of `contract.py`.

Both engines use them: mutations guided by coverage (`guided.py`) and hypothesis's properties (`test_properties.py`).
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.regression import Limits, compare_reports, read_report, regression_table
from fmnist_edge.benchmarks.tables import as_markdown
from fmnist_edge.dataset.idx import parse_idx, read_payload
from fmnist_edge.runtime.card import ModelCard, read_onnx_file_card, read_tflite_card
from fmnist_edge.runtime.confidence import Confidence
from fmnist_edge.runtime.integrity import require_intact
from fmnist_edge.runtime.picture import PHOTO_SIDE, Prepared, prepare
from fmnist_edge.train.options import TrainOptions, make_options

from . import words
from .contract import require

SEEDS = Path(__file__).parent / "seeds"
FINDS = Path(__file__).parent / "finds"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory: a million files a run are hard on a disk
_folder = tempfile.TemporaryDirectory(prefix="fmnist-edge-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)


def _file(data: bytes, suffix: str) -> Path:
    path = Path(_folder.name) / f"input{suffix}"
    path.write_bytes(data)
    return path


def read_idx(data: bytes) -> None:
    """Read the images or labels of a dataset, plain or as gzip."""
    payload = read_payload(_file(data, ".idx"))
    array = parse_idx(payload, name="the input")
    require(array.dtype == np.uint8 and 1 <= array.ndim <= 3, f"{array.dtype} {array.shape}")
    require(array.nbytes == len(payload) - 4 - 4 * array.ndim, f"{array.nbytes} bytes of {len(payload)}")
    require(not array.flags.writeable, "an array that can be written to")


def read_picture(data: bytes) -> None:
    """Read the file of a picture, and take it for a picture of the dataset and for a photo."""
    prepared = prepare(data)
    _require_prepared(prepared)
    _require_prepared(prepare(data, kind="photo" if prepared.kind == "dataset" else "dataset"))


def read_photo(data: bytes) -> None:
    """Find the garment on a photo of up to 256 x 256 pixels: height, width, kind, then pixels, repeated to fill it."""
    header, pixels = data[:3].ljust(3, b"\0"), data[3:] or b"\0"
    height, width, channels = header[0] + 1, header[1] + 1, (1, 3, 4)[header[2] % 3]
    array = np.resize(np.frombuffer(pixels, np.uint8), (height, width, channels))
    _require_prepared(prepare(array[:, :, 0] if channels == 1 else array, kind="photo"))


def _require_prepared(prepared: Prepared) -> None:
    views, photo, garment = prepared.views, prepared.photo, prepared.garment
    require(views.dtype == np.uint8 and views.shape[1:] == (28, 28) and len(views) >= 1, f"{views.dtype} {views.shape}")
    require((photo is None) == (garment is None), "a photo without a garment, or a garment without a photo")
    if photo is not None and garment is not None:
        require(photo.mode == "RGB" and max(photo.size) <= PHOTO_SIDE, f"a photo {photo.mode} {photo.size}")
        require(garment.mask.dtype == bool and garment.mask.ndim == 2 and bool(garment.mask.any()), "no mask")


def read_onnx(data: bytes) -> None:
    """Read what an ONNX file says about itself, without onnxruntime."""
    path = _file(data, ".onnx")
    _require_card(read_onnx_file_card(path), path)


def read_tflite(data: bytes) -> None:
    """Read what a TFLite file says about itself."""
    path = _file(data, ".tflite")
    _require_card(read_tflite_card(path), path)


_CARD_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("name", "arch", "recipe", "graph_sha256"), (str,)),
    **dict.fromkeys(("input", "output", "versions"), (dict,)),
    **dict.fromkeys(("calibration", "training", "sqnr_db", "confidence"), (dict, type(None))),
    **dict.fromkeys(("card_version", "graph_bytes"), (int,)),
    "labels": (tuple,),
}


def _require_card(card: ModelCard, path: Path) -> None:
    for field in fields(ModelCard):
        value = getattr(card, field.name)
        allowed = _CARD_TYPES.get(field.name)  # of fields that later releases add, nothing is known here
        require(allowed is None or type(value) in allowed, f"{field.name} is {value!r:.60}")
    require(all(type(label) is str for label in card.labels), f"labels {card.labels!r:.60}")
    require(all(type(version) is str for version in card.versions.values()), f"versions {card.versions!r:.60}")
    card.to_json().encode()
    confidence = Confidence.of_card(card, source="the input")
    require(all(type(getattr(confidence, field.name)) is float for field in fields(Confidence)), repr(confidence))
    with contextlib.suppress(EdgeError):  # no seed's file is whole: its card is what is read here
        require_intact(path, card)


def read_config(data: bytes) -> None:
    """Read the options of a training from a TOML file, in full and as the quick variant."""
    path = _file(data, ".toml")
    for variant in (None, "quick"):
        options = make_options({}, path, variant=variant)
        for field in fields(TrainOptions):
            value, default = getattr(options, field.name), getattr(TrainOptions(), field.name)
            number = (int, float) if type(default) is float else type(default)
            kinds = (int, str, type(None)) if default is None else number
            require(isinstance(value, kinds), f"{field.name} is {value!r:.60}")
            require(type(value) not in {int, float} or math.isfinite(float(value)), f"{field.name} is {value!r:.60}")
        json.dumps([getattr(options, field.name) for field in fields(options)]).encode()


def read_report_file(data: bytes) -> None:
    """Read a report, and compare it with a good one, as the older and as the newer of the two."""
    good = read_report(SEEDS / "report" / "good.json")
    found = read_report(_file(data, ".json"))
    for old, new in ((good, found), (found, good)):
        changes = compare_reports(old, new, Limits(0.0, 0.0, 0.0, 0.0))
        require(all(type(text) is str for text in (*changes["notes"], *changes["failures"])), "notes that are no text")
        as_markdown(regression_table(changes)).encode()
        json.dumps(changes, allow_nan=False).encode()


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        read: the function; raises `EdgeError` for what is refused.
        most_bytes: length of the longest input that is tried.
        words: what is worth putting into an input, for the guided engine.
    """

    read: Callable[[bytes], Any]
    most_bytes: int
    words: tuple[bytes, ...]


TARGETS: Mapping[str, Target] = {
    "idx": Target(read_idx, 4096, words.IDX),
    "config": Target(read_config, 4096, words.CONFIG),
    "onnx": Target(read_onnx, 8192, words.ONNX),
    "tflite": Target(read_tflite, 8192, words.TFLITE),
    "report": Target(read_report_file, 8192, words.REPORT),
    "picture": Target(read_picture, 8192, words.PICTURE),
    "photo": Target(read_photo, 2048, ()),
}
