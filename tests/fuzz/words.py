"""What is worth putting into an input: the words of the formats, for the guided engine to build with."""

from __future__ import annotations

from dataclasses import fields

from fmnist_edge.runtime import ModelCard
from fmnist_edge.train.options import TrainOptions

IDX = (b"\0\0\x08\x01", b"\0\0\x08\x03", b"\x1f\x8b\x08", b"\xff\xff\xff\xff")
_JSON = rb'null true NaN Infinity -1 1e999 "" [] {} \u0000 \ud800 0.5 [[[['.split()
_CARD = [f'"{field.name}"'.encode() for field in fields(ModelCard)] + b'"temperature" "threshold"'.split()
ONNX = (b"fmnist_edge.model_card", b"r", b"\xff\xff\xff\xff\x0f", *_JSON, *_CARD)
TFLITE = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"fmnist_edge_model_card.json", *_JSON, *_CARD)
REPORT = (
    *_JSON,
    *b'"models" "answers" "labels" "latency_ms" "p50" "p50_ci95" "size_bytes" "accuracy" "dataset"'.split(),
    *b'"conditions" "disturbances" "machine" "method" "threads" "name" "sha256" "split" "schema_version"'.split(),
)
CONFIG = (
    *(f"{field.name} = ".encode() for field in fields(TrainOptions)),
    *rb"""[quick] [ ] { } . ''' \u0000 inf nan true 1979-05-27 "compact" "seed" "x.py:f" 1e999 0x _ [[a]]""".split(),
    *(b'"""', b"=\n", b'"one-cycle"'),
)
PICTURE = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xe1", b"Exif\0\0", b"\xff\xee"),
    *b"IHDR IDAT PLTE tRNS eXIf acTL iCCP zTXt IEND Adobe ICC_PROFILE RIFF WEBP VP8L VP8X ALPH ANIM EXIF ICCP".split(),
    *(b"GIF89a", b"!\xf9\x04", b"NETSCAPE2.0", b"II*\0", b"MM\0*", b"II+\0", b"BM"),
    *(b"P1 ", b"P4 ", b"P5 ", b"P6 ", b"P7\n", b"PF ", b"Pf ", b"65535"),
)
