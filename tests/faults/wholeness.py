"""Whether files are whole, each kind by what its readers check."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from fmnist_edge.runtime import open_runner

HALF_WRITTEN = re.compile(r"\..+\.[0-9a-f]{8}\.part(\..+)?")


def require_whole(folder: Path) -> None:
    """Check every file under `folder` that stands under a final name."""
    for path in _files(folder):
        if not HALF_WRITTEN.fullmatch(path.name):
            _CHECKS[path.suffix](path)


def half_written(folder: Path) -> list[str]:
    """Return the names of what a killed process left."""
    return [path.name for path in _files(folder) if HALF_WRITTEN.fullmatch(path.name)]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()


def _json(path: Path) -> None:
    assert json.loads(path.read_text(encoding="utf-8"))


def _model(path: Path) -> None:
    open_runner(path).close()  # which holds the file against the digest in its card


def _picture(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:  # which takes back what a kill left half done
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _of_the_database(path: Path) -> None:
    """Leave what SQLite keeps beside a database to SQLite."""


def _toml(path: Path) -> None:
    assert tomllib.loads(path.read_text(encoding="utf-8"))


def _ends_with(ending: str) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        assert path.read_text(encoding="utf-8").endswith(ending), path

    return check


_CHECKS: dict[str, Callable[[Path], None]] = {
    ".keras": _archive,
    ".npz": _archive,
    ".json": _json,
    ".csv": _ends_with("\n"),
    ".md": _ends_with("\n"),
    ".html": _ends_with("</html>\n"),
    ".png": _picture,
    ".onnx": _model,
    ".tflite": _model,
    ".py": _ends_with("\n"),
    ".db": _database,
    ".db-journal": _of_the_database,
    ".toml": _toml,
}
