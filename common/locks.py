"""Locks that the kernel lets go of when their holder ends, however it ends: a kill leaves nothing to clear away."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .closing import Closing
from .errors import EdgeError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder for its holder alone, without waiting.

    Returns:
        Whether it is ours now; None where the system or the file system has no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None
    return True


def is_locked(folder: Path) -> bool:
    """Tell whether another process holds the `FolderLock` of a folder now."""
    try:
        with FolderLock(folder, purpose="working"):
            return False
    except EdgeError:
        return True


class FolderLock(Closing):
    """A folder that one process at a time may write into; where there are no locks, nothing is held.

    The lock is on the folder itself, so that there is no lock file to be left behind.

    Args:
        folder: an existing folder.
        purpose: what is done in it, for the error: "another process is `purpose` in FOLDER".

    Raises:
        EdgeError: another process holds it, or it cannot be opened.
    """

    def __init__(self, folder: Path, *, purpose: str) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        if fcntl is None:
            return
        try:
            self._descriptor = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise EdgeError(f"cannot open {folder}", expected="a folder", got=error.strerror or str(error)) from error
        if try_lock(self._descriptor) is False:
            self.close()
            hint = "let it end, or name another folder"
            raise EdgeError(f"another process is {purpose} in {folder}", hint=hint)

    def require_in_place(self) -> None:
        """Check that the folder still stands under its name.

        Raises:
            EdgeError: it was moved, deleted, or replaced by another.
        """
        if self._descriptor is None:
            return
        try:
            in_place = os.path.samestat(os.fstat(self._descriptor), self._folder.stat())
        except OSError:
            in_place = False
        if not in_place:
            raise EdgeError(f"{self._folder} was moved or deleted while it was in use", hint="begin again")

    def close(self) -> None:
        """Let go of the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
