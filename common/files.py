"""Files that are either whole or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import EdgeError
from .locks import try_lock

MAX_TEXT_BYTES = 8 << 20
"""A longer JSON or CSV file is not parsed: its objects would take up to 24 times the memory. Ours have a hundredth."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary name keeps the suffix of `path`, because writers (Keras, matplotlib) choose their format by it.
    When the block raises, the temporary file is deleted and `path` is left as it was. What a killed process left
    half-written is deleted by the next one that writes `path`.

    Raises:
        EdgeError: the folder cannot be made or written, or nothing was written.
    """
    try:
        make_folder(path.parent)
        remove_leftovers(path.parent, path)
        with _claimed(path) as temporary:
            yield temporary
            _sync(temporary)
            if not temporary.stat().st_size:
                raise EdgeError(f"cannot write {path}", expected="something in it", got="0 bytes")
            temporary.replace(path)
            _sync_folder(path.parent)
    except OSError as error:
        hint = "make room" if error.errno in _FULL else "choose a folder you may write to"
        raise EdgeError(f"cannot write {path}", got=_reason(error), hint=hint) from error


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[Path]:
    """Yield a new, empty, temporary file for `path`, locked while the block runs, and deleted if it is still there."""
    while True:
        temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        locked = try_lock(descriptor)
        if locked is not False and os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # another process took it for a leftover before it was locked
    with os.fdopen(descriptor) as held:
        if locked is None:
            held.close()  # Windows renames no open file
        try:
            yield temporary
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


def remove_leftovers(folder: Path, path: Path | None = None) -> None:
    """Delete what killed processes left half-written in `folder`: of the file `path`, or of all files.

    What another process is writing now is locked, and stays; where the file system has no locks, everything stays.
    """
    stem, suffix = (re.escape(path.stem), re.escape(path.suffix)) if path is not None else (".+", r"(\..+)?")
    half_written = re.compile(rf"\.{stem}\.[0-9a-f]{{8}}\.part{suffix}")
    for entry in folder.iterdir():
        if half_written.fullmatch(entry.name):
            with contextlib.suppress(OSError):
                _remove_unlocked(entry)


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if try_lock(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Force the file's bytes to the disk, so that a power cut after the rename cannot leave an empty file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Force the folder's names to the disk, where its file system can: what is deleted next was needed until then."""
    with contextlib.suppress(OSError):
        _sync(folder)


def make_folder(path: Path) -> Path:
    """Make the folder and its parents, and return it.

    Raises:
        EdgeError: it cannot be made, or something that is not a folder stands in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "choose a folder you may write to"
        raise EdgeError(f"cannot make folder {path}", got=_reason(error), hint=hint) from error
    return path


def require_writable(folder: Path) -> Path:
    """Make `folder` and prove that a file can be written there, before long work begins.

    Raises:
        EdgeError: no file can be written there.
    """
    require_place_for(make_folder(folder))
    return folder


def require_place_for(folder: Path) -> None:
    """Prove that `folder` can be made, or written where it is there, and leave nothing behind.

    For work that takes minutes before it has anything to write, and may yet be refused.

    Raises:
        EdgeError: no file can be written where it would be.
    """
    try:
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with tempfile.TemporaryFile(dir=nearest):
            return
    except OSError as error:
        hint = "choose a folder you may write to"
        raise EdgeError(f"cannot write into {folder}", got=_reason(error), hint=hint) from error


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path` atomically and return `path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_text(path: Path, content: str) -> Path:
    """Write `content` to `path` atomically as UTF-8 and return `path`."""
    return write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> Path:
    """Write `content` to `path` atomically as indented JSON and return `path`."""
    return write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_text(path: Path, *, expected: str) -> str:
    """Read a UTF-8 file of at most `MAX_TEXT_BYTES`, which `expected` describes in errors.

    Raises:
        EdgeError: the file is missing, unreadable, too long or not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_TEXT_BYTES + 1)
        text = content.decode() if len(content) <= MAX_TEXT_BYTES else ""
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected=expected, got=_reason(error)) from error
    except UnicodeDecodeError as error:
        raise EdgeError(f"cannot read {path}", expected=expected, got=str(error)) from error
    if len(content) > MAX_TEXT_BYTES:
        raise EdgeError(f"cannot read {path}", expected=f"at most {MAX_TEXT_BYTES:,} bytes", got="more")
    return text


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        EdgeError: the file is missing, unreadable, longer than `MAX_TEXT_BYTES` or not JSON.
    """
    text = read_text(path, expected="a JSON file")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EdgeError(f"cannot read {path}", expected="a JSON file", got=str(error)) from error


def sha256_hex(content: bytes | memoryview) -> str:
    """Hash `content`.

    >>> sha256_hex(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def point_link(link: Path, target: str) -> None:
    """Make the symbolic link `link` point to `target`, replacing an older link in one step.

    Raises:
        EdgeError: something that is not a link stands there, or the folder cannot be written.
    """
    if link.exists() and not link.is_symlink():
        hint = f"move {link} away"
        raise EdgeError(f"cannot point {link} to {target}", expected="a symbolic link", got="something else", hint=hint)
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.symlink_to(target)
        temporary.replace(link)
    except OSError as error:
        raise EdgeError(f"cannot point {link} to {target}", got=_reason(error)) from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
