"""Pictures that arrive are told once, and whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.runtime.watch import FolderWatch

Watch = Callable[..., FolderWatch]


@pytest.fixture
def reports() -> list[EdgeError]:
    return []


@pytest.fixture
def watch(tmp_path: Path, reports: list[EdgeError]) -> Watch:
    """Return a maker of watches over `tmp_path`."""
    return lambda *, existing=False: FolderWatch(tmp_path, existing=existing, report=reports.append)


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_picture_is_told_once_when_it_has_stopped_growing(watch: Watch, tmp_path: Path) -> None:
    arrivals = watch()
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"half")
    assert arrivals.poll() == []
    picture.write_bytes(b"half and half")
    assert arrivals.poll() == []
    assert arrivals.poll() == [picture]
    assert arrivals.poll() == arrivals.poll() == []


def test_an_empty_file_waits_until_something_is_in_it(watch: Watch, tmp_path: Path) -> None:
    arrivals = watch()
    picture = tmp_path / "a.jpg"
    picture.touch()
    assert [arrivals.poll() for _ in range(3)] == [[], [], []]
    picture.write_bytes(b"whole")
    assert [names(arrivals.poll()) for _ in range(3)] == [[], ["a.jpg"], []]


def test_a_writer_that_paused_too_long_is_heard_again(watch: Watch, tmp_path: Path) -> None:
    arrivals = watch()
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"half")
    assert [names(arrivals.poll()) for _ in range(3)] == [[], ["a.jpg"], []]
    picture.write_bytes(b"half and half")
    assert [names(arrivals.poll()) for _ in range(3)] == [[], ["a.jpg"], []]


def test_a_picture_of_the_same_size_that_replaces_one_is_new(watch: Watch, tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"one")
    arrivals = watch()
    os.utime(picture, ns=(1, 1))
    assert [names(arrivals.poll()) for _ in range(3)] == [[], ["a.jpg"], []]


def test_a_clock_that_is_wrong_or_set_back_hides_no_picture(watch: Watch, tmp_path: Path) -> None:
    arrivals = watch()
    picture = tmp_path / "a.jpg"
    for seconds in (4_000_000_000, 5, 4_000_000_001):
        picture.write_bytes(b"whole")
        os.utime(picture, (seconds, seconds))
        assert [names(arrivals.poll()) for _ in range(3)] == [[], ["a.jpg"], []]


@pytest.mark.parametrize(("existing", "told"), [(False, ["new.png"]), (True, ["new.png", "old.png"])])
def test_what_is_there_already_is_told_only_if_asked_for(
    watch: Watch, tmp_path: Path, existing: bool, told: list[str]
) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    arrivals = watch(existing=existing)
    for name in ("new.png", "notes.txt", ".new.png.part"):
        (tmp_path / name).write_bytes(b"new")
    assert [names(arrivals.poll()) for _ in range(3)] == [[], told, []]


def test_a_name_that_is_used_again_is_told_again(watch: Watch, tmp_path: Path) -> None:
    arrivals = watch()
    picture = tmp_path / "a.png"
    for _ in range(2):
        picture.write_bytes(b"x")
        os.utime(picture, ns=(5, 5))
        assert [names(arrivals.poll()) for _ in range(3)] == [[], ["a.png"], []]
        picture.unlink()
        assert arrivals.poll() == []


def test_a_folder_that_goes_away_is_reported_once_and_may_come_back(
    watch: Watch, tmp_path: Path, reports: list[EdgeError]
) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    arrivals = watch()
    away = tmp_path.with_name("away")
    tmp_path.rename(away)
    assert [arrivals.poll() for _ in range(3)] == [[], [], []]
    assert [str(error).startswith(f"cannot watch {tmp_path}; expected a folder; got No such") for error in reports] == [
        True
    ]
    away.rename(tmp_path)
    (tmp_path / "b.png").write_bytes(b"b")
    assert [names(arrivals.poll()) for _ in range(3)] == [[], ["b.png"], []]
    tmp_path.rename(away)
    arrivals.poll()
    assert len(reports) == 2
    away.rename(tmp_path)


def test_a_folder_that_is_none_is_refused_at_once(tmp_path: Path, reports: list[EdgeError]) -> None:
    with pytest.raises(EdgeError, match=r"cannot watch .*absent; expected a folder; got No such file"):
        FolderWatch(tmp_path / "absent", existing=False, report=reports.append)
