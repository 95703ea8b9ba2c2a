"""Where everything lies that can be had again: downloads, sysroots, what was measured on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import EdgeError


def cache_folder(environment: Mapping[str, str] = os.environ, *, platform: str = sys.platform) -> Path | None:
    """Return our folder where the platform keeps caches (on Linux the XDG custom); None where there is no home.

    >>> cache_folder({"XDG_CACHE_HOME": "/c"}, platform="linux").as_posix()
    '/c/fmnist-edge'
    >>> cache_folder({}, platform="linux") is None
    True
    """
    named = {"win32": "LOCALAPPDATA", "darwin": None}.get(platform, "XDG_CACHE_HOME")
    below = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(platform, ".cache")
    home = environment.get("USERPROFILE" if platform == "win32" else "HOME")
    if named and environment.get(named):
        return Path(environment[named]) / "fmnist-edge"
    return Path(home) / below / "fmnist-edge" if home else None


def require_cache_folder() -> Path:
    """Return our folder for what can be had again.

    Raises:
        EdgeError: there is no home to have it in.
    """
    folder = cache_folder()
    if folder is None:
        expected = "a home folder in the environment"
        raise EdgeError("no folder to keep downloads in", expected=expected, got="none", hint="set HOME")
    return folder
