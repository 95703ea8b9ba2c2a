"""The command `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.errors import EdgeError
from .shared import Json, Threads, fail, print_json

if TYPE_CHECKING:
    from ..runtime.classifier import Classifier


def predict(
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    model: Annotated[Path | None, typer.Option(help="An .onnx or .tflite file (the newest in exports/).")] = None,
    top: Annotated[int, typer.Option(help="How many classes to show.", min=1)] = 1,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Say what is on a picture.

    Example: fmnist-edge predict picture.png --top 3
    """
    from ..runtime.classifier import Classifier
    from ..runtime.locate import default_model

    failures = 0
    with Classifier(model or default_model(), threads=threads) as classifier:
        for image in images:
            try:
                _print_prediction(classifier, image, top, as_json=as_json)
            except EdgeError as error:
                fail(str(error))
                failures += 1
    if failures:
        raise typer.Exit(2 if failures == len(images) else 1)


def _print_prediction(classifier: Classifier, image: Path, top: int, *, as_json: bool) -> None:
    prediction = classifier.predict(image)
    ranked = prediction.top(top)
    if as_json:
        best = [{"label": label, "probability": probability} for label, probability in ranked]
        answer = {"label": prediction.label, "index": prediction.index, "probability": prediction.probability}
        print_json({"file": str(image), **answer, "top": best})
    else:
        print(f"{image}: " + ", ".join(f"{label} {probability:.1%}" for label, probability in ranked))
