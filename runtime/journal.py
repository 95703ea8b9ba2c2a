"""What was answered, kept as a file of lines: the answers are the memory, so that a kill loses and repeats none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..common.closing import Closing
from ..common.errors import EdgeError
from ..common.locks import try_lock
from .watch import Stamp

MAX_LINE_BYTES = 1 << 16
"""An answer takes a hundredth of it; without a bound, a file without lines would be read whole."""


class Journal(Closing):
    """A file of one JSON object a line, each about one picture; lines are only ever added.

    There is no other record of what was answered that could disagree with it. A last line that a power cut or a full
    disk left half is cut off, so that its picture is answered again.

    Args:
        path: of the file; it is made where there is none.

    Attributes:
        told: name and stamp of every picture that has a line, with the newest stamp.

    Raises:
        EdgeError: it cannot be written, another process adds to it, or it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            if try_lock(self._descriptor) is False:
                raise EdgeError(f"another process is writing {path}", hint="end it, or name another file")
            self.told, self._end = _read(path)
            os.ftruncate(self._descriptor, self._end)
        except OSError as error:
            self.close()
            raise self._unwritable(error) from error
        except EdgeError:
            self.close()
            raise

    def add(self, name: str, stamp: Stamp, said: dict[str, Any]) -> None:
        """Add the line of one picture, whole or not at all.

        Args:
            name: of the file in its folder.
            stamp: of the picture that was answered.
            said: the answer.

        Raises:
            EdgeError: the line cannot be written.
        """
        entry = {"name": name, "written_ns": stamp[0], "size_bytes": stamp[1], **said}
        line = json.dumps(entry, ensure_ascii=False).encode(errors="surrogateescape") + b"\n"
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):  # the disk is full: what went into it is taken back
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            os.ftruncate(self._descriptor, self._end)
            raise self._unwritable(error) from error
        self._end += written
        self.told[name] = stamp

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _unwritable(self, error: OSError) -> EdgeError:
        return EdgeError(f"cannot write {self._path}", got=error.strerror or str(error), hint="choose another file")


def _read(path: Path) -> tuple[dict[str, Stamp], int]:
    """Return what was told, and the length in bytes of the whole lines; of the file, one line is held at a time.

    Raises:
        EdgeError: a line is none of ours.
    """
    told, end = {}, 0
    with path.open("rb") as stream:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise _alien(path, f"a line of more than {MAX_LINE_BYTES:,} bytes")
            if line.endswith(b"\n"):
                name, stamp = _entry(path, line)
                told[name] = stamp
                end += len(line)
    return told, end


def _alien(path: Path, got: str) -> EdgeError:
    hint = "name another file, or move this one away"
    return EdgeError(f"{path} holds something else", expected="answers of watch", got=got, hint=hint)


def _entry(path: Path, line: bytes) -> tuple[str, Stamp]:
    """Return name and stamp of one line.

    Raises:
        EdgeError: it is no line of ours.
    """
    try:
        entry = json.loads(line.decode(errors="surrogateescape"))
        return str(entry["name"]), (int(entry["written_ns"]), int(entry["size_bytes"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _alien(path, str(error)) from error
