"""How many photos of a folder are answered right, class by class."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..common.errors import EdgeError
from ..common.files import read_text, sha256_hex
from ..runtime import Classifier

LABELS_FILE = "labels.csv"


@dataclass
class Tally:
    """What became of the photos of one class."""

    n: int = 0
    right: int = 0
    unsure: int = 0


def tally_photos(classifier: Classifier, folder: Path) -> dict[str, Any]:
    """Classify the photos of a folder and count.

    Args:
        classifier: what answers.
        folder: holds photos and a ``labels.csv`` with the columns file, source_class and fashion_mnist_label; -1 marks
            what Fashion-MNIST has no class for, and no answer is right.

    Returns:
        The name of the folder, the SHA-256 of its labels, and n, right and unsure of every source class, sorted.

    Raises:
        EdgeError: there are no such labels, or a photo cannot be used.
    """
    path = folder / LABELS_FILE
    tallies: dict[str, Tally] = {}
    for row in _read(path):
        said = classifier.predict(folder / row["file"], kind="photo")
        tally = tallies.setdefault(row["source_class"], Tally())
        tally.n += 1
        tally.right += said.index == int(row["fashion_mnist_label"])
        tally.unsure += said.unsure
    classes = {name: asdict(tallies[name]) for name in sorted(tallies)}
    return {"folder": folder.name, "labels_sha256": sha256_hex(path.read_bytes()), "classes": classes}


def _read(path: Path) -> list[dict[str, str]]:
    expected = "a table with file,source_class,fashion_mnist_label"
    rows = list(csv.DictReader(read_text(path, expected=expected).splitlines()))
    if not rows or not {"file", "source_class", "fashion_mnist_label"} <= set(rows[0]):
        raise EdgeError(f"cannot read {path}", expected=expected, got="something else")
    return rows
