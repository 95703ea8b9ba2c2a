"""What `predict` does, for the command and for its quick way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress, silent
from .lean import use_one_thread
from .lines import fail, origin, say
from .printing import csv_writer, table_writer, write_json

if TYPE_CHECKING:
    from ..runtime.backend import Backend
    from ..runtime.picture import Kind

MANY = 20
"""From so many pictures on, progress is shown."""


def predict_pictures(
    images: Sequence[str],
    *,
    model: Path | None = None,
    top: int = 1,
    kind: Kind = "auto",
    show: Path | None = None,
    backend: Backend = "auto",
    threads: int = 1,
    allow_unverified: bool = False,
    require_signature: Path | None = None,
    as_json: bool = False,
    as_csv: bool = False,
) -> int:
    """Print what is on the pictures that `images` stand for, and return the exit code.

    Raises:
        EdgeError: the model cannot be used, or `show` not be drawn.
    """
    use_one_thread()
    from ..runtime.classifier import Classifier
    from ..runtime.gather import classify_all, find_all
    from ..runtime.locate import choose_model

    if as_json and as_csv:
        raise EdgeError("cannot print JSON and CSV at once", expected="--json or --csv", got="both")
    failures: list[EdgeError] = []

    def report(error: EdgeError) -> None:
        fail(str(error))
        failures.append(error)

    answers = []
    trusted: dict[str, Any] = {"verify": not allow_unverified, "signed_by": require_signature}
    with Classifier(choose_model(model), threads=threads, backend=backend, **trusted) as classifier:
        names = find_all(images, report)
        write = write_json if as_json else csv_writer(top) if as_csv else table_writer(names)
        progress = ConsoleProgress() if len(names) >= MANY else silent
        count = 0
        for answer in classify_all(classifier, names, report, kind=kind, progress=progress):
            write(answer, top)
            count += 1
            if show is not None:
                answers.append(answer)
        if count and model is None and not as_json and not as_csv:
            say(f"answered by {origin(classifier.opened)}; --model takes another")
    if show is not None and answers:
        from ..runtime.show import save_sheet  # fonts and drawing are for those who ask for them

        save_sheet(show, answers)
    return (1 if count else 2) if failures else 0
