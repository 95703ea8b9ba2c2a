"""How many photos of a folder a model gets right: development by measurement. Not a test, and not in the wheel.

    python tests/runtime/photo_accuracy.py MODEL FOLDER [development|held-out|all]

The folder holds photos and a `labels.csv` with the columns file, source_class and fashion_mnist_label (-1: no class of
ours). A photo belongs to the part for development or to the one held out by the hash of its name; the second is for
looking at rarely.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from fmnist_edge.runtime import Classifier, Prediction

DEVELOPMENT_SHARE = 0.6


@dataclass(frozen=True)
class Photo:
    """One labelled photo; `label` is -1 for what is none of our classes."""

    path: Path
    source_class: str
    label: int

    @property
    def part(self) -> str:
        """The part that the photo belongs to, by the first byte of its name's SHA-256, modulo 10."""
        share = hashlib.sha256(self.path.name.encode()).digest()[0] % 10
        return "development" if share < 10 * DEVELOPMENT_SHARE else "held-out"


@dataclass(frozen=True)
class Tally:
    """What became of some photos."""

    photos: int
    right: int
    unsure: int

    @classmethod
    def of(cls, answers: list[tuple[Photo, Prediction]]) -> Tally:
        right = sum(said.index == photo.label for photo, said in answers)
        return cls(len(answers), right, sum(said.unsure for _, said in answers))


def read_photos(folder: Path, part: str = "all") -> list[Photo]:
    """Return the labelled photos of `folder` that belong to `part`."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    photos = [Photo(folder / row["file"], row["source_class"], int(row["fashion_mnist_label"])) for row in rows]
    return [photo for photo in photos if part in {"all", photo.part}]


def answer_photos(model: Path, photos: list[Photo]) -> list[tuple[Photo, Prediction]]:
    """Classify every photo."""
    with Classifier(model) as classifier:
        return [(photo, classifier.predict(photo.path)) for photo in photos]


def tally_classes(answers: list[tuple[Photo, Prediction]]) -> dict[str, Tally]:
    """Return a tally for every class, for the known classes together, and for what is none of them."""
    groups: dict[str, list[tuple[Photo, Prediction]]] = {}
    for photo, said in answers:
        groups.setdefault(photo.source_class, []).append((photo, said))
        groups.setdefault("known" if photo.label >= 0 else "other", []).append((photo, said))
    return {name: Tally.of(group) for name, group in groups.items()}


def main(arguments: list[str]) -> None:
    """Print the tallies, and the photos that were wrong."""
    model, folder, part = (*arguments, "all")[:3]
    answers = answer_photos(Path(model), read_photos(Path(folder), part))
    for name, tally in tally_classes(answers).items():
        right, unsure = tally.right / tally.photos, tally.unsure / tally.photos
        print(f"{name:<12} {tally.photos:4} photos  {right:6.1%} right  {unsure:6.1%} unsure")  # noqa: T201
    for photo, said in answers:
        if photo.label not in {-1, said.index}:
            print(f"{photo.path.name}: {said.label} {said.confidence:.0%}{', unsure' if said.unsure else ''}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
