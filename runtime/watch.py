"""Notice the pictures that arrive in a folder, each once, and only when they are whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ..common.errors import EdgeError
from .gather import is_picture

Stamp = tuple[int, int]
"""When a file was last written, in nanoseconds, and its size in bytes."""


class FolderWatch:
    """Look into a folder from time to time; standard library only, and any file system.

    A file counts as whole when it was the same the last time. One that was taken for whole too early, because its
    writer paused, is told again when the rest has come; so is one that is replaced.

    Args:
        folder: to look into; not the folders in it.
        existing: whether to tell of the pictures that are there already.
        told: pictures that were told of before, and need not be told again while they stay as they were.
        report: told when the folder cannot be read, and not again before it could.

    Raises:
        EdgeError: the folder cannot be read now.
    """

    def __init__(
        self,
        folder: Path,
        *,
        existing: bool,
        report: Callable[[EdgeError], None],
        told: Mapping[str, Stamp] = MappingProxyType({}),
    ) -> None:
        self._folder = folder
        self._report = report
        present = self._scan()
        self._told: dict[str, Stamp] = dict(told) if existing else {**told, **present}
        self._seen: dict[str, Stamp] = {}
        self._readable = True

    def poll(self) -> list[Path]:
        """Return the pictures that arrived and are whole, sorted; what vanished is forgotten."""
        try:
            present = self._scan()
        except EdgeError as error:  # a card was pulled, a share dropped: it may come back
            if self._readable:
                self._report(error)
            self._readable = False
            return []
        self._readable = True
        new = {name: stamp for name, stamp in present.items() if self._told.get(name) != stamp}
        whole = {name: stamp for name, stamp in new.items() if self._seen.get(name) == stamp}
        self._seen = new
        self._told = {name: stamp for name, stamp in self._told.items() if name in present} | whole
        return [self._folder / name for name in sorted(whole)]

    def stamp_of(self, path: Path) -> Stamp:
        """Return the stamp that a picture had when it was told of."""
        return self._told[path.name]

    def _scan(self) -> dict[str, Stamp]:
        """Return the stamps of the folder's pictures that have something in them."""
        stamps = {}
        try:
            for entry in self._folder.iterdir():
                try:
                    status = entry.stat() if is_picture(entry) else None
                except OSError:  # it vanished between the two looks
                    continue
                if status is not None and status.st_size:
                    stamps[entry.name] = (status.st_mtime_ns, status.st_size)
        except OSError as error:
            got = error.strerror or str(error)
            raise EdgeError(f"cannot watch {self._folder}", expected="a folder", got=got) from error
        return stamps
