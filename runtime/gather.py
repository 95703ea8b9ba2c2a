"""What was typed behind `predict`, to pictures: files, folders, patterns, standard input."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from .classifier import Classifier, Prediction
from .picture import Kind, Prepared, prepare, read_bounded

STANDARD_INPUT = "-"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""What counts as a picture in a folder; a file that is named itself may be called anything."""
Report = Callable[[EdgeError], None]
"""Told of what cannot be used while the rest goes on."""


@dataclass(frozen=True)
class Answer:
    """One picture and what the model says to it."""

    name: str
    prepared: Prepared
    prediction: Prediction


def find_all(names: Sequence[str], report: Report) -> list[str]:
    """Return the files that `names` stand for, in order; those that stand for nothing are reported."""
    found = []
    for name in names:
        try:
            found += find_pictures(name)
        except EdgeError as error:
            report(error)
    return found


def classify_all(
    classifier: Classifier, names: Sequence[str], report: Report, *, kind: Kind = "auto", progress: Progress = silent
) -> Iterator[Answer]:
    """Yield an answer for each file as soon as it is there; files that cannot be used are reported."""
    for position, name in enumerate(names):
        try:
            prepared = prepare(picture_of(name), kind=kind)
        except EdgeError as error:
            report(error)
        else:  # where the model cannot be used, it is so for every picture, and nothing goes on
            yield Answer(name, prepared, classifier.predict_prepared(prepared))
        progress("predicting", position + 1, len(names))


def find_pictures(name: str) -> list[str]:
    """Return the files that `name` stands for, sorted: a folder's pictures, a pattern's matches, or the name itself.

    Raises:
        EdgeError: a folder without pictures, or a pattern that matches nothing.
    """
    path = Path(name)
    if name == STANDARD_INPUT or path.is_file():
        return [name]
    if path.is_dir():
        found = sorted(str(entry) for entry in path.iterdir() if is_picture(entry))
        if not found:
            raise EdgeError(f"no pictures in {name}", expected=f"files ending in {', '.join(SUFFIXES)}", got="none")
        return found
    if glob.has_magic(name):
        found = sorted(match for match in glob.glob(name, recursive=True) if Path(match).is_file())  # noqa: PTH207
        if not found:
            raise EdgeError(f"no file matches {name}", expected="at least one picture", got="none")
        return found
    return [name]


def is_picture(path: Path) -> bool:
    """Tell by its name whether a file in a folder is a picture that someone meant to be seen.

    >>> is_picture(Path(".hidden.png")), is_picture(Path("notes.txt"))
    (False, False)
    """
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def picture_of(name: str) -> str | bytes:
    """Return what the classifier is given for a name: the bytes of standard input for ``-``, else the path."""
    return read_bounded(sys.stdin.buffer, "standard input") if name == STANDARD_INPUT else name
