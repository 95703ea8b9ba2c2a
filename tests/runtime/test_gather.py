"""What is typed becomes pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.runtime.gather import find_all, find_pictures, is_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.png", "c.JPEG", "notes.txt", ".a.png", "odd[1].png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d.png").mkdir()
    (tmp_path / "d.png" / "inner.webp").write_bytes(b"x")
    return tmp_path


def test_a_folder_stands_for_its_pictures_in_order(folder: Path) -> None:
    assert [Path(name).name for name in find_pictures(str(folder))] == ["a.png", "b.jpg", "c.JPEG", "odd[1].png"]


def test_a_pattern_stands_for_the_files_that_match(folder: Path) -> None:
    assert [Path(name).name for name in find_pictures(f"{folder}/*.png")] == ["a.png", "odd[1].png"]
    assert [Path(name).name for name in find_pictures(f"{folder}/**/*.webp")] == ["inner.webp"]


def test_a_file_is_itself_whatever_it_is_called(folder: Path) -> None:
    for name in ("notes.txt", ".a.png", "odd[1].png", "absent.png"):
        assert find_pictures(f"{folder}/{name}") == [f"{folder}/{name}"]
    assert find_pictures("-") == ["-"]


def test_what_stands_for_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(EdgeError, match=r"no pictures in .*none; expected files ending in \.png, \.jpg.*; got none"):
        find_pictures(str(tmp_path / "none"))
    with pytest.raises(EdgeError, match=r"no file matches .*\*\.bmp; expected at least one picture; got none"):
        find_pictures(f"{folder}/*.bmp")


def test_all_that_can_be_found_is_found_and_the_rest_reported(folder: Path) -> None:
    errors: list[EdgeError] = []
    names = find_all([f"{folder}/*.bmp", f"{folder}/a.png", f"{folder}/*.gif", "-"], errors.append)
    assert names == [f"{folder}/a.png", "-"]
    assert ["*.bmp" in str(errors[0]), "*.gif" in str(errors[1])] == [True, True]


def test_only_visible_files_of_known_kinds_are_pictures(folder: Path) -> None:
    assert not is_picture(folder / "d.png")
    assert not is_picture(folder / "absent.png")
    assert is_picture(folder / "c.JPEG")
