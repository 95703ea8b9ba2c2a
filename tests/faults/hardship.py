"""What a machine may do to a process: a small disk, no rights, little memory. Called in a process that is given up.

The standard library alone: `nursery` imports this file by its plain name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_CAPABILITIES_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def small_disk(folder: str, size_bytes: str) -> None:
    """Let `folder` be on a disk of its own of so many bytes, with what lies in it; it is the process's alone to see.

    Where the system lets nobody mount anything (some containers), no file may become larger than the disk would be,
    which stops a writer in the middle of a file, too.
    """
    try:
        _own_mounts()
        kept = Path(folder).with_name("kept")
        shutil.copytree(folder, kept, symlinks=True)
        _check(_libc.mount(b"small", os.fsencode(folder), b"tmpfs", 0, f"size={size_bytes}".encode()))
        with contextlib.suppress(OSError):
            shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(kept)
        os.chdir(folder)
    except PermissionError:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size_bytes), int(size_bytes)))


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


def small_memory(more_bytes: str) -> None:
    """Let the process reserve no more than so many bytes beyond what it has."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    limit = int(fields["VmSize"].split()[0]) * 1024 + int(more_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise PermissionError(number, os.strerror(number))
