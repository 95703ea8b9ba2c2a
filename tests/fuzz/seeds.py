"""Make the seeds: small inputs of our own that every reader accepts, to start from. Not a test, and not in the wheel.

python -m tests.fuzz.seeds
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import struct
import zipfile
from typing import Any

import numpy as np
from PIL import Image

from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import LABELS
from fmnist_edge.runtime import ModelCard
from fmnist_edge.runtime.card import LABELS_MEMBER, ONNX_KEY, TFLITE_MEMBER

from .containers import message, zipped
from .targets import SEEDS

GRAPH = b"graph"
CARD = ModelCard(
    card_version=1,
    name="fmnist-tiny-int8",
    arch="tiny",
    recipe="int8",
    labels=LABELS,
    input={"name": "pixels", "dtype": "uint8", "shape": ["n", 28, 28], "meaning": "grey"},
    output={"name": "probabilities", "dtype": "float32", "shape": ["n", 10], "meaning": "sum to 1"},
    calibration={"split": "train", "indices": [1, 2], "dataset_sha256": "ab"},
    training={"options": {"epochs": 2}, "validation_accuracy": 0.9},
    versions={"onnx": "1"},
    graph_bytes=0,
    graph_sha256="",
    sqnr_db={"conv1": 40, "conv2": 31.2},
    confidence={"temperature": 1.2, "threshold": 0.5, "doubt_temperature": 4.0},
)
OPTIONS = """arch = "seed"
epochs = 2
optimizer = "sgd"
learning_rate = 0.1
schedule = "one-cycle"
weight_decay = 5e-4
flip = true
teacher = ["a.keras"]
patience = 3

[quick]
epochs = 1
shift = 2
"""


def card_of(graph: bytes, **changed: Any) -> str:
    """Return the JSON of a card for `graph`."""
    whole = dataclasses.replace(CARD, graph_bytes=len(graph), graph_sha256=sha256_hex(graph))
    return dataclasses.replace(whole, **changed).to_json()


def idx() -> dict[str, bytes]:
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 9, 0])
    images = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + bytes(range(24))
    return {
        "labels": labels,
        "images": images,
        "gzip": gzip.compress(images, mtime=0),
        "empty": bytes([0, 0, 8, 1]) + bytes(4),
    }


def config() -> dict[str, bytes]:
    table = 'arch = "compact"\r\nquick = { epochs = 3 }\r\ndropout = +0.0 # none\r\n'
    return {"options": OPTIONS.encode(), "table": table.encode()}


def onnx() -> dict[str, bytes]:
    graph = message(0, 8) + message(7, b"\x0a\x00") + message(8, b"\x10\x11")
    card = message(14, message(1, ONNX_KEY.encode()) + message(2, card_of(graph).encode()))
    other = message(14, message(1, b"author") + message(2, b"nobody"))
    return {"card": graph + card, "two": graph + other + card}


def tflite() -> dict[str, bytes]:
    labels = "\n".join(LABELS)
    members = {TFLITE_MEMBER: card_of(GRAPH), LABELS_MEMBER: labels}
    kinds = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
    return {name: zipped(GRAPH, members, method) for name, method in kinds.items()}


def report() -> dict[str, bytes]:
    truth = "0123456789" * 2

    def model(name: str, answers: str, size_bytes: int, p50: float) -> dict[str, Any]:
        right = sum(map(str.__eq__, answers, truth))
        latency = {"p50": p50, "p50_ci95": [p50 * 0.99, p50 * 1.01], "p90": p50 * 1.1, "p99": p50 * 1.2}
        return {
            "name": name,
            "sha256": sha256_hex(name.encode()),
            "size_bytes": size_bytes,
            "accuracy": right / len(truth),
            "answers": answers,
            "latency_ms": latency,
        }

    good = {
        "schema_version": 2,
        "dataset": {"name": "Fashion-MNIST", "split": "test", "n": len(truth), "sha256": "ab" * 32, "answers": truth},
        "labels": list(LABELS),
        "models": [model("float32", truth, 300_000, 0.2), model("int8", "0123456780" * 2, 90_000, 0.1)],
        "conditions": {"disturbances": ["the processor was shared"]},
        "machine": {"architecture": "x86_64", "board": None, "processor": "some", "cores": 2},
        "method": {"threads": 1},
    }
    slower = [model("int8", "0123456700" * 2, 190_000, 0.3), model("other", truth, 1, 1.0)]
    return {"good": json.dumps(good).encode(), "slower": json.dumps(good | {"models": slower}).encode()}


def picture() -> dict[str, bytes]:
    """Return one picture of each format that is read, and some of the odder kinds of them."""
    y, x = np.mgrid[:40, :32]
    garment = (np.abs(y - 20) < 14) & (np.abs(x - 16) < 9)
    colour = Image.fromarray(np.where(garment[..., None], (180, 40, 60), (225, 220, 210)).astype(np.uint8))
    clear = colour.copy()
    clear.putalpha(Image.fromarray(garment.astype(np.uint8) * 255))
    grey = Image.fromarray(garment[6:34, 2:30].astype(np.uint8) * 200)
    deep = Image.fromarray(garment.astype(np.uint16) * 60_000)
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "dataset.png": (grey, "PNG", {}),
        "clear.png": (clear, "PNG", {}),
        "deep.png": (deep, "PNG", {}),
        "palette.png": (colour.quantize(4), "PNG", {"transparency": 1, "exif": turned}),
        "turned.jpg": (colour, "JPEG", {"exif": turned}),
        "progressive.jpg": (colour, "JPEG", {"progressive": True}),
        "cmyk.jpg": (colour.convert("CMYK"), "JPEG", {"quality": 30}),
        "lossy.webp": (colour, "WEBP", {}),
        "clear.webp": (clear, "WEBP", {"lossless": True}),
        "true.bmp": (colour.resize((10, 12)), "BMP", {}),
        "palette.bmp": (colour.resize((20, 20)).quantize(4), "BMP", {}),
        "palette.gif": (colour.quantize(4), "GIF", {}),
        "packbits.tiff": (colour, "TIFF", {"compression": "packbits"}),
        "lzw.tiff": (clear, "TIFF", {"compression": "tiff_lzw"}),
        "deep.tiff": (deep, "TIFF", {"compression": "tiff_deflate"}),
        "fax.tiff": (colour.convert("1"), "TIFF", {"compression": "group4"}),
        "grey.pgm": (grey.resize((12, 12)), "PPM", {}),
        "bits.pbm": (colour.convert("1"), "PPM", {}),
        "float.pfm": (grey.resize((9, 9)).convert("F"), "PPM", {}),
    }
    return {name: _saved(*kind) for name, kind in kinds.items()} | {"text.ppm": b"P3 8 8 3 " + b"0 1 2 3 " * 48}


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    return {
        "noise": bytes([39, 29, 1]) + random.bytes(600),
        "plain": bytes([63, 47, 0, 128]),
        "clear": bytes([15, 11, 2]) + random.bytes(400),
        "narrow": bytes([255, 7, 1]) + random.bytes(300),
    }


MAKERS = {idx: ".idx", config: ".toml", onnx: ".onnx", tflite: ".tflite", report: ".json", picture: "", photo: ".raw"}


def main() -> None:
    """Write every seed."""
    for make, suffix in MAKERS.items():
        folder = SEEDS / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for seed, content in make().items():
            (folder / f"{seed}{suffix}").write_bytes(content)


if __name__ == "__main__":
    main()
