"""The folder for what can be had again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_edge.common.cache import cache_folder, require_cache_folder
from fmnist_edge.common.errors import EdgeError


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/fmnist-edge"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": ""}, "/h/.cache/fmnist-edge"),
        ("darwin", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/Library/Caches/fmnist-edge"),
        ("win32", {"USERPROFILE": "/h", "LOCALAPPDATA": "/l"}, "/l/fmnist-edge"),
        ("win32", {"USERPROFILE": "/h"}, "/h/AppData/Local/fmnist-edge"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(
    platform: str, environment: dict[str, str], folder: str
) -> None:
    assert cache_folder(environment, platform=platform) == Path(folder)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_without_a_home_there_is_no_cache(platform: str) -> None:
    assert cache_folder({}, platform=platform) is None


def test_what_must_be_kept_needs_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert require_cache_folder() == tmp_path / "fmnist-edge"
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EdgeError, match=r"no folder to keep downloads in; expected a home folder.*set HOME"):
        require_cache_folder()
