"""Files that are whole or absent, and errors that say which file and why."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.common import files
from fmnist_edge.common.files import (
    atomic_path,
    make_folder,
    point_link,
    read_json,
    remove_leftovers,
    require_place_for,
    require_writable,
    sha256_hex,
    write_bytes,
    write_json,
    write_text,
)
from fmnist_edge.common.locks import try_lock


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_appears_under_its_name_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model.keras"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"whole")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".keras"
    assert target.read_bytes() == b"whole"
    assert names(target.parent) == ["model.keras"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = write_bytes(tmp_path / "model.onnx", b"old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["model.onnx"]


def test_the_bytes_are_on_the_disk_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        sync(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            assert synced == [b"whole"]
            assert (tmp_path / "a").exists()  # the folder's names come after the file has its own
            synced.append(b"folder")
            return
        assert not (tmp_path / "a").exists()
        synced.append(os.pread(descriptor, 100, 0))

    monkeypatch.setattr("os.fsync", watch)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    write_bytes(tmp_path / "a", b"whole")
    assert synced == [b"whole", b"folder"]
    assert os.dup(0) == lowest_free  # nothing was left open
    os.close(lowest_free)


def test_two_writers_of_one_file_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"  # the outer block ends last, and the last rename wins
    assert names(tmp_path) == ["a.txt"]


def test_what_the_block_forgot_to_write_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(EdgeError, match=r"cannot write .*a\.txt; expected something in it; got 0 bytes"),
        atomic_path(tmp_path / "a.txt"),
    ):
        pass
    assert names(tmp_path) == []


def test_a_folder_in_the_place_of_the_file_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()
    with pytest.raises(EdgeError, match=r"cannot write .*report\.md; got .*directory"):
        write_text(tmp_path / "report.md", "text")
    assert names(tmp_path) == ["report.md"]


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda folder: write_bytes(folder / "a", b""), "cannot make folder .*a-file; got File exists"),
        (make_folder, "cannot make folder .*a-file; got File exists; next: choose a folder you may write to"),
        (require_writable, "cannot make folder .*a-file; got File exists"),
        (lambda folder: make_folder(folder / "deeper"), "cannot make folder .*deeper; got Not a directory"),
        (require_place_for, "cannot write into .*a-file; got Not a directory; next: choose a folder you may write to"),
        (lambda folder: require_place_for(folder / "a" / "b"), "cannot write into .*a/b; got Not a directory"),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_an_error(
    tmp_path: Path, write: Callable[[Path], object], match: str
) -> None:
    blocked = write_bytes(tmp_path / "a-file", b"mine")
    with pytest.raises(EdgeError, match=match):
        write(blocked)
    assert blocked.read_bytes() == b"mine"


def test_folders_are_made_with_their_parents_and_may_exist(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == make_folder(folder) == require_writable(folder) == folder
    assert names(folder) == []


def test_a_place_for_a_folder_is_proven_without_making_it(tmp_path: Path) -> None:
    require_place_for(tmp_path / "a" / "b")
    require_place_for(tmp_path)
    assert names(tmp_path) == []


def test_a_folder_where_nothing_can_be_written_is_found_out_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:  # root, who runs tests in containers, may write anywhere
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    match = f"cannot write into {re.escape(str(tmp_path))}; got Permission denied; next: choose a folder"
    with pytest.raises(EdgeError, match=match):
        require_writable(tmp_path)
    with pytest.raises(EdgeError, match=r"cannot write into .*new; got Permission denied; next: choose a folder"):
        require_place_for(tmp_path / "new")


def test_text_is_utf_8_and_json_is_indented_and_comes_back(tmp_path: Path) -> None:
    content = {"a": [1, None], "label": "Größe"}
    path = write_json(tmp_path / "a.json", content)
    assert path.read_bytes() == '{\n  "a": [\n    1,\n    null\n  ],\n  "label": "Größe"\n}\n'.encode()
    assert read_json(path) == content


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, r"cannot read .*a\.json; expected a JSON file; got No such file"),
        (b"", "expected a JSON file; got Expecting value"),
        (b'{"a": 1', r"cannot read .*a\.json; expected a JSON file; got Expecting"),
        (b'"\xff"', "expected a JSON file; got 'utf-8' codec"),
        (b"[" * 100_000, "expected a JSON file; got maximum recursion depth"),
    ],
)
def test_what_is_no_json_is_an_error(tmp_path: Path, content: bytes | None, match: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EdgeError, match=match):
        read_json(path)


def test_a_json_file_of_any_length_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'"\xc3\xa4"')
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 4)
    assert read_json(path) == "ä"
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 2)  # in the middle of a character
    with pytest.raises(EdgeError, match=r"cannot read .*a\.json; expected at most 2 bytes; got more"):
        read_json(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no file without an end")
def test_of_a_file_without_an_end_only_the_bound_is_read() -> None:
    with pytest.raises(EdgeError, match=r"cannot read /dev/zero; expected at most 8,388,608 bytes; got more"):
        read_json(Path("/dev/zero"))


def test_sha256_of_a_known_text() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_hex(memoryview(b"abc")) == sha256_hex(b"abc")


def test_a_link_is_made_and_moved_even_where_it_dangled(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    for target in ("gone", "first", "second"):
        point_link(link, target)
        assert link.readlink() == Path(target)
    assert names(tmp_path) == ["latest"]


def test_a_folder_in_the_place_of_the_link_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    match = "cannot point .*latest to run; expected a symbolic link; got something else; next: move .*latest away"
    with pytest.raises(EdgeError, match=match):
        point_link(tmp_path / "latest", "run")
    assert (tmp_path / "latest").is_dir()


def test_a_link_in_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot point .*latest to run; got No such file"):
        point_link(tmp_path / "absent" / "latest", "run")


# --- what a kill leaves -----------------------------------------------------------------------------------------------


def leave_half(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(b"half")
    return path


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_again(tmp_path: Path) -> None:
    leave_half(tmp_path, ".model.0123abcd.part.keras")
    others = [".model.0123abcd.part.onnx", ".model.0123abcd.part", ".model.part.keras", ".amodel.0123abcd.part.keras"]
    for name in others:
        leave_half(tmp_path, name)
    write_bytes(tmp_path / "model.keras", b"whole")
    assert names(tmp_path) == sorted([*others, "model.keras"])


def test_what_another_writer_is_writing_now_is_no_leftover(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as slow:
        slow.write_text("slow")
        write_text(tmp_path / "a.txt", "quick")
        remove_leftovers(tmp_path)
        assert slow.read_text() == "slow"
    assert (tmp_path / "a.txt").read_text() == "slow"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hindered: list[str] = []

    def hinder(descriptor: int) -> bool | None:
        if not hindered:  # another process looks at the folder in this very moment
            hindered.extend(names(tmp_path))
            (tmp_path / hindered[0]).unlink()
        return try_lock(descriptor)

    monkeypatch.setattr(files, "try_lock", hinder)
    write_text(tmp_path / "a.txt", "whole")
    assert re.fullmatch(r"\.a\.[0-9a-f]{8}\.part\.txt", hindered[0])
    assert names(tmp_path) == ["a.txt"]


def test_where_the_file_system_has_no_locks_nothing_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = leave_half(tmp_path, ".a.0123abcd.part.txt")
    monkeypatch.setattr(files, "try_lock", lambda descriptor: None)
    write_text(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == [left.name, "a.txt"]


@pytest.mark.parametrize(
    ("number", "hint"), [(errno.ENOSPC, "make room"), (errno.EFBIG, "make room"), (errno.EROFS, "choose a folder you")]
)
def test_the_next_step_depends_on_what_the_disk_says(number: int, hint: str, tmp_path: Path) -> None:
    with (
        pytest.raises(EdgeError, match=f"cannot write .*a.txt; got {os.strerror(number)}; next: {hint}"),
        atomic_path(tmp_path / "a.txt"),
    ):
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []
