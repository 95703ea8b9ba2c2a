"""The journal: what it remembers, what it cuts off, and what it does not touch."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.runtime.journal import Journal


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_was_added_is_remembered_with_the_newest_stamp(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Journal(path) as journal:
        assert journal.told == {}
        journal.add("a.png", (5, 10), {"label": "Größe"})
        journal.add("b.png", (6, 11), {"error": "two\nlines"})
        journal.add("a.png", (7, 10), {"label": "Bag"})
        assert journal.told == {"a.png": (7, 10), "b.png": (6, 11)}
    with Journal(path) as journal:
        assert journal.told == {"a.png": (7, 10), "b.png": (6, 11)}
        journal.add("c.png", (8, 1), {})
    assert [line["name"] for line in lines(path)] == ["a.png", "b.png", "a.png", "c.png"]
    assert lines(path)[0] == {"name": "a.png", "written_ns": 5, "size_bytes": 10, "label": "Größe"}


def test_half_a_line_is_cut_off_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Journal(path) as journal:
        journal.add("a.png", (5, 10), {"label": "Bag"})
        journal.add("é.png", (6, 10), {"label": "Größe"})
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        with Journal(path) as journal:
            assert set(journal.told) == ({"a.png"} if cut >= first else set())
            journal.add("z.png", (1, 1), {})
        assert [line["name"] for line in lines(path)] == [*(["a.png"] if cut >= first else []), "z.png"]


def test_a_name_that_is_no_text_comes_back_as_it_was(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    with Journal(tmp_path / "answers.jsonl") as journal:
        journal.add(name, (1, 1), {})
    with Journal(tmp_path / "answers.jsonl") as journal:
        assert journal.told == {name: (1, 1)}


@pytest.mark.parametrize(
    "content",
    ["my diary\n", "[]\n", "{}\n", "\n", '{"name": "a", "written_ns": "x", "size_bytes": 1}\n', "[" * 9999 + "\n"],
)
def test_a_file_that_holds_something_else_is_refused_and_stays(content: str, tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_text(content)
    match = r"diary.txt holds something else; expected answers of watch; got .*; next: name another file"
    with pytest.raises(EdgeError, match=match):
        Journal(path)
    assert path.read_text() == content


def test_a_file_without_lines_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Journal(path) as journal:
        journal.add("a.png", (1, 1), {})
    with path.open("ab") as stream:
        stream.truncate(1 << 40)  # a hole, of which nothing lies on the disk
    match = r"answers.jsonl holds something else; expected answers of watch; got a line of more than 65,536 bytes"
    with pytest.raises(EdgeError, match=match):
        Journal(path)
    assert path.stat().st_size == 1 << 40


def test_two_processes_do_not_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Journal(path), pytest.raises(EdgeError, match=r"another process is writing .*answers.jsonl; next: end it, or"):
        Journal(path)
    Journal(path).close()


def test_a_journal_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot write .*; got Is a directory; next: choose another file"):
        Journal(tmp_path)
    with pytest.raises(EdgeError, match=r"cannot write .*absent/a; got No such file"):
        Journal(tmp_path / "absent" / "a")


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "answers.jsonl"
    write, calls = os.write, 0

    def fill_up(descriptor: int, content: bytes) -> int:  # as a disk does that has room for half of it
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    with Journal(path) as journal:
        journal.add("a.png", (1, 1), {})
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fill_up)
            with pytest.raises(EdgeError, match=r"cannot write .*answers.jsonl; got No space left on device"):
                journal.add("b.png", (1, 1), {})
        assert journal.told == {"a.png": (1, 1)}
        journal.add("c.png", (1, 1), {})
    assert [line["name"] for line in lines(path)] == ["a.png", "c.png"]
