"""The command `predict`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress, silent
from .shared import Json, Threads, fail, print_json

if TYPE_CHECKING:
    from ..runtime.gather import Answer

    Write = Callable[[Answer, int], None]

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
        write = _write_json if as_json else _write_csv(top) if as_csv else _write_table(names)
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


def _write_json(answer: Answer, top: int) -> None:
    prediction = answer.prediction
    best = [{"label": label, "probability": probability} for label, probability in prediction.top(top)]
    said = {"label": prediction.label, "index": prediction.index, "probability": prediction.probability}
    trust = {"confidence": prediction.confidence, "unsure": prediction.unsure}
    print_json({"file": answer.name, **said, **trust, "as": answer.prepared.kind, "top": best})


def _write_csv(top: int) -> Write:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    ranks = [f"{field}_{rank}" for rank in range(2, top + 1) for field in ("label", "probability")]
    rows.writerow(["file", "label", "probability", "confidence", "unsure", *ranks])

    def write(answer: Answer, top: int) -> None:
        said = answer.prediction
        others = [value for pair in said.top(top)[1:] for value in pair]
        unsure = "yes" if said.unsure else "no"
        rows.writerow([answer.name, said.label, said.probability, said.confidence, unsure, *others])

    return write


def _write_table(names: Sequence[str]) -> Write:
    width = max((len(name) for name in names), default=0)

    def write(answer: Answer, top: int) -> None:
        ranked = [f"{label:<11} {probability:6.1%}" for label, probability in answer.prediction.top(top)]
        unsure = "  unsure" if answer.prediction.unsure else ""
        print(f"{answer.name:<{width}}  {'  '.join(ranked)}{unsure}")

    return write
