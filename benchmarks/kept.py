"""What an interrupted benchmark has finished, kept in the folder of its report until the report is written.

Every piece is a small file named by what it depends on: the digest of the model, of the images, and of versions,
machine and options. So a piece is found again only for the same file under the same circumstances.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..common.errors import EdgeError
from ..common.files import read_json, sha256_hex, write_json
from ..dataset import Split
from .answers import Answers
from .machine import describe_machine, describe_versions
from .predictions import load_predictions, save_predictions

FOLDER = "unfinished"
T = TypeVar("T")


@dataclass(frozen=True)
class Kept:
    """The pieces of one report's folder.

    Attributes:
        folder: where they lie; not there until the first is kept.
    """

    folder: Path

    @classmethod
    def beside(cls, report_folder: Path) -> Kept:
        """Return the pieces kept in a report's folder."""
        return cls(report_folder / FOLDER)

    def answers(self, name: str, sha256: str, split: Split, collect: Callable[[], Answers]) -> Answers:
        """Return a model's answers: kept ones, or new ones that are kept from now on.

        Args:
            name: of the model; a file that was renamed since is another model.
            sha256: of the model's file.
            split: the images.
            collect: runs the model over them.
        """
        path = self._path("answers", {"name": name, "model": sha256, "split": split.sha256}, "npz")
        if path.is_file():
            try:
                return load_predictions(path, split)[0]
            except EdgeError:
                path.unlink()  # damaged: it was written by another version, or the disk was full
        found = collect()
        save_predictions([found], split, path)
        return found

    def figures(self, kind: str, depends_on: dict[str, Any], measure: Callable[[], T], read: Callable[[Any], T]) -> T:
        """Return figures that have an ``as_json``: kept ones, or new ones that are kept from now on.

        Args:
            kind: what they are.
            depends_on: what they depend on, beside the machine.
            measure: takes them.
            read: makes them of their JSON.
        """
        path = self._path(kind, depends_on, "json")
        if path.is_file():
            try:
                return read(read_json(path))
            except (EdgeError, KeyError, TypeError):
                path.unlink()
        found = measure()
        write_json(path, found.as_json() if hasattr(found, "as_json") else [entry.as_json() for entry in found])  # type: ignore[attr-defined]
        return found

    def count(self) -> int:
        """Return how many pieces are there."""
        return sum(1 for path in self.folder.glob("[!.]*")) if self.folder.is_dir() else 0

    def clear(self) -> None:
        """Delete all pieces: the report holds what they held."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, kind: str, depends_on: dict[str, Any], suffix: str) -> Path:
        everything = {**depends_on, "versions": describe_versions(), "machine": describe_machine()}
        digest = sha256_hex(json.dumps(everything, sort_keys=True).encode())
        return self.folder / f"{kind}-{digest[:24]}.{suffix}"
