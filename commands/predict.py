"""The command `predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .predicting import predict_pictures
from .shared import AllowUnverified, Backend, Json, Model, RequireSignature, Runtime, Threads, Top


class As(StrEnum):
    """What a picture is taken for."""

    AUTO = "auto"
    DATASET = "dataset"
    PHOTO = "photo"


def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders, patterns, or - for standard input.")],
    model: Model = None,
    top: Top = 1,
    kind: Annotated[As, typer.Option("--as", help="Dataset pictures are taken as they are.")] = As.AUTO,
    show: Annotated[Path | None, typer.Option(help="Draw photo, garment, input and answer into this file.")] = None,
    backend: Backend = Runtime.AUTO,
    threads: Threads = 1,
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Say what is on a picture.

    Example: fmnist-edge predict picture.png photos/ --top 3
    """
    code = predict_pictures(
        images,
        model=model,
        top=top,
        kind=kind.value,
        show=show,
        backend=backend.value,
        threads=threads,
        allow_unverified=allow_unverified,
        require_signature=require_signature,
        as_json=as_json,
        as_csv=as_csv,
    )
    if code:
        raise typer.Exit(code)
