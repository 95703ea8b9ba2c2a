"""What every command shares: common options, and where its lines go (`lines`)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .lines import fail, print_json, say, used

__all__ = [
    "AllowUnverified",
    "Backend",
    "DataDir",
    "Json",
    "Model",
    "RequireSignature",
    "Runtime",
    "Threads",
    "Top",
    "fail",
    "print_json",
    "say",
    "used",
]

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the four files of Fashion-MNIST; fetched if left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MODEL_HELP = "An .onnx or .tflite file, or box, compact or compact-photo (the newest in exports/, or else box)."
Model = Annotated[Path | None, typer.Option("--model", help=MODEL_HELP)]
Top = Annotated[int, typer.Option("--top", help="How many classes to show.", min=1)]
AllowUnverified = Annotated[
    bool, typer.Option("--allow-unverified", help="Run files without a digest, too: of other tools, of old releases.")
]
RequireSignature = Annotated[
    Path | None, typer.Option(help="Run only what was signed with the key of this public key or certificates (PEM).")
]
Threads = Annotated[int, typer.Option("--threads", help="Processor threads for one picture.")]


class Runtime(StrEnum):
    """What runs a model; the names are those of the runtime's `Backend`."""

    AUTO = "auto"
    ONNXRUNTIME = "onnxruntime"
    LITERT = "litert"


Backend = Annotated[Runtime, typer.Option("--backend", help="auto keeps the faster of those that are there.")]
