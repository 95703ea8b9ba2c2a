"""The command `predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress, silent
from .printing import csv_writer, table_writer, write_json
from .shared import Json, Threads, fail

MANY = 20
"""From so many pictures on, progress is shown."""


class As(StrEnum):
    """What a picture is taken for."""

    AUTO = "auto"
    DATASET = "dataset"
    PHOTO = "photo"


def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders, patterns, or - for standard input.")],
    model: Annotated[Path | None, typer.Option(help="An .onnx or .tflite file (the newest in exports/).")] = None,
    top: Annotated[int, typer.Option(help="How many classes to show.", min=1)] = 1,
    kind: Annotated[As, typer.Option("--as", help="Dataset pictures are taken as they are.")] = As.AUTO,
    show: Annotated[Path | None, typer.Option(help="Draw photo, garment, input and answer into this file.")] = None,
    threads: Threads = 1,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Say what is on a picture.

    Example: fmnist-edge predict picture.png photos/ --top 3
    """
    from ..runtime.classifier import Classifier
    from ..runtime.gather import classify_all, find_all
    from ..runtime.locate import default_model

    if as_json and as_csv:
        raise EdgeError("cannot print JSON and CSV at once", expected="--json or --csv", got="both")
    failures: list[EdgeError] = []

    def report(error: EdgeError) -> None:
        fail(str(error))
        failures.append(error)

    answers = []
    with Classifier(model or default_model(), threads=threads) as classifier:
        names = find_all(images, report)
        write = write_json if as_json else csv_writer(top) if as_csv else table_writer(names)
        progress = ConsoleProgress() if len(names) >= MANY else silent
        count = 0
        for answer in classify_all(classifier, names, report, kind=kind.value, progress=progress):
            write(answer, top)
            count += 1
            if show is not None:
                answers.append(answer)
    if show is not None and answers:
        from ..runtime.show import save_sheet  # fonts and drawing are for those who ask for them

        save_sheet(show, answers)
    if failures:
        raise typer.Exit(1 if count else 2)
