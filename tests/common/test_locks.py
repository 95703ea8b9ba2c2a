"""Locks: one holder at a time, released by a kill, and telling when what they hold has gone."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_edge.common import locks
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.locks import FolderLock, is_locked, try_lock

HOLDER = """
import sys, time
from pathlib import Path
from fmnist_edge.common.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]), purpose="training")
print("held", flush=True)
time.sleep(600)
"""


def test_a_folder_is_held_by_one_process_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        match = "another process is training in .*; next: let it end, or name another folder"
        with pytest.raises(EdgeError, match=match):
            FolderLock(tmp_path, purpose="training")
        assert is_locked(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with FolderLock(tmp_path, purpose="training"):
        pass
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot open .*absent; expected a folder; got No such file"):
        FolderLock(tmp_path / "absent", purpose="training")


@pytest.mark.parametrize("fate", ["kept", "moved", "deleted", "replaced"])
def test_a_held_folder_that_went_away_is_noticed(fate: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with FolderLock(folder, purpose="training") as lock:
        if fate == "deleted":
            shutil.rmtree(folder)
        elif fate != "kept":
            folder.rename(tmp_path / "elsewhere")
        if fate == "replaced":
            folder.mkdir()
        if fate == "kept":
            lock.require_in_place()
            return
        with pytest.raises(EdgeError, match="run was moved or deleted while it was in use; next: begin again"):
            lock.require_in_place()


def test_where_there_are_no_locks_nothing_is_held_and_nothing_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with FolderLock(tmp_path, purpose="training"), FolderLock(tmp_path, purpose="training") as second:
        second.require_in_place()
    monkeypatch.setattr(locks, "fcntl", None)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert try_lock(descriptor) is None
    os.close(descriptor)
    with FolderLock(tmp_path / "absent", purpose="training") as lock:
        lock.require_in_place()
