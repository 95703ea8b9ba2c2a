"""What a machine may do to a process: a small disk, no rights, a folder that goes. Called in a process of its own.

What a function returns is called when the command has ended.

The standard library alone: `nursery` imports this file by its plain name.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_CAPABILITIES_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def small_disk(folder: str, size_bytes: str) -> Callable[[], object]:
    """Let the empty `folder` be on a disk of its own of so many bytes; in the end, a copy of it is beside it.

    Where the system lets nobody mount anything (some containers), no file may become larger than the disk would be,
    which stops a writer in the middle of a file, too.
    """
    size = int(size_bytes)
    try:
        _own_mounts()
        _check(_libc.mount(b"small", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode()))
        os.chdir(folder)
    except PermissionError:
        small_files(folder, size_bytes)
    return lambda: shutil.copytree(folder, f"{folder}.left", symlinks=True)


def small_files(folder: str, size_bytes: str) -> Callable[[], object]:
    """Let no file become larger than so many bytes; in the end, a copy of `folder` is beside it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size_bytes), resource.RLIM_INFINITY))

    def copy() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        shutil.copytree(folder, f"{folder}.left", symlinks=True)

    return copy


def _own_mounts() -> None:
    """Give the process mounts that no other sees: as root, or as root of a namespace of its own."""
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWNS) != 0:
        _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWUSER))
        for name, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(line, encoding="ascii")
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))


def no_rights(folder: str) -> None:
    """Let `folder` be readable only, and root be a user whom that stops."""
    Path(folder).chmod(0o500)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing))


def vanishing(folder: str) -> None:
    """Let `folder` be deleted in the moment before a file in it gets its name."""

    def delete(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and Path(arguments[0]).absolute().parent == Path(folder):
            shutil.rmtree(folder, ignore_errors=True)

    sys.addaudithook(delete)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise PermissionError(number, os.strerror(number))
