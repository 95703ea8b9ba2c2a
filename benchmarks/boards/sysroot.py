"""The folder that all boards share: an arm64 system with Python, the wheels, and what tells the boards apart.

::

    sysroot-1a2b3c4d/
    ├── root/                Debian's arm64 packages
    ├── site/                the arm64 wheels
    ├── boards/pi5/          links into root/, and a proc/cpuinfo of its own
    ├── bytecode/            what Python compiled, so that start-up is measured as on an installed system
    ├── packages/9f8e7d6c/   a link to the fmnist_edge that runs, so that the boards run the same
    ├── count.so             the plugin; or cannot-count.txt, which says why there is none
    └── stamp.json           what it was made from; its hash is the folder's name
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...common.cache import require_cache_folder
from ...common.errors import EdgeError
from ...common.files import make_folder, point_link, sha256_hex, write_json, write_text
from ...common.progress import Progress, silent
from .board import BOARDS, Board, cpuinfo
from .packages import unpack_python, unpack_wheels
from .plugin import SOURCE, build_plugin
from .tools import require_tools, run_tool

_WHEELS = ("numpy", "onnxruntime", "pillow", "ai-edge-litert")
_LAYOUT = 1
_CANNOT_COUNT = "cannot-count.txt"
_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Sysroot:
    """A finished sysroot.

    Attributes:
        folder: where it lies.
        python: version of its Python, such as ``3.11``.
        wheels: versions of its packages.
        cannot_count: why this QEMU counts no instructions; empty when it does.
    """

    folder: Path
    python: str
    wheels: Mapping[str, str]
    cannot_count: str = ""

    @property
    def interpreter(self) -> Path:
        """The arm64 Python; the same path for all boards, so that they share its bytecode."""
        return self.folder / "root/usr/bin/python3"

    @property
    def plugin(self) -> Path:
        """The plugin that counts."""
        return self.folder / "count.so"

    @property
    def bytecode(self) -> Path:
        """Where the emulated Python keeps what it compiled."""
        return self.folder / "bytecode"

    def root(self, board: Board) -> Path:
        """Return what `board` sees as its root folder."""
        return self.folder / "boards" / board.name

    @property
    def python_path(self) -> tuple[Path, ...]:
        """The folders that the emulated Python imports from: this very package, then the wheels."""
        return _linked_package(self.folder), self.folder / "site"


def prepare(*, cache: Path | None = None, progress: Progress = silent) -> Sysroot:
    """Return the sysroot for the versions that are installed here, building it when there is none.

    It is built in a temporary folder and renamed, so that it is whole or absent; of two processes that build it at
    once, the first to finish wins. It takes about a minute and 300 MB, and needs the network.

    Raises:
        EdgeError: a tool is missing, something cannot be downloaded, or there is no home to keep it in.
    """
    require_tools()
    base = make_folder(cache or require_cache_folder() / "boards")
    stamp = describe()
    target = base / folder_name(stamp)
    if not (target / "stamp.json").exists():
        _build(base, target, stamp, progress)
    python = (target / "root/usr/bin/python3").resolve().name.removeprefix("python")
    reason = target / _CANNOT_COUNT
    return Sysroot(target, python, stamp["wheels"], reason.read_text(encoding="utf-8") if reason.exists() else "")


def describe() -> dict[str, Any]:
    """Return what a sysroot is made from: everything that, when it changes, asks for another.

    Raises:
        EdgeError: one of the packages that the runtime needs is not installed here.
    """
    return {
        "layout": _LAYOUT,
        "release": _release(),
        "wheels": installed_versions(),
        "qemu": run_tool(["qemu-aarch64", "--version"]).splitlines()[0],
        "plugin_sha256": sha256_hex(SOURCE.read_bytes()),
        "boards_sha256": sha256_hex("".join(map(cpuinfo, BOARDS.values())).encode()),
    }


def folder_name(stamp: Mapping[str, Any]) -> str:
    """Name a sysroot by what it is made from.

    >>> folder_name({"layout": 1})
    'sysroot-8954f737'
    """
    return f"sysroot-{sha256_hex(json.dumps(stamp, sort_keys=True).encode())[:8]}"


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that the boards get: those of this Python.

    LiteRT is left out where it is not installed.

    Raises:
        EdgeError: one that the runtime cannot do without is not installed.
    """
    versions = {}
    for name in _WHEELS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError as error:
            if name != "ai-edge-litert":
                raise EdgeError(f"{name} is not installed", hint=f"pip install {name}") from error
    return versions


def _release() -> str:
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")
    except OSError:
        return "unknown"


def _build(base: Path, target: Path, stamp: Mapping[str, Any], progress: Progress) -> None:
    stage = "preparing the emulated boards"
    with tempfile.TemporaryDirectory(prefix=".building-", dir=base) as name:
        building, debs, wheels = (make_folder(Path(name) / part) for part in ("sysroot", "debs", "wheels"))
        progress(stage, 0, 4)
        python = unpack_python(make_folder(building / "root"), debs)
        progress(stage, 1, 4)
        unpack_wheels(make_folder(building / "site"), wheels, stamp["wheels"], python=python)
        progress(stage, 2, 4)
        _build_plugin(building)
        progress(stage, 3, 4)
        for board in BOARDS.values():
            write_board(building / "boards" / board.name, board, building / "root")
        write_json(building / "stamp.json", stamp)
        _take_place(building, target)
    progress(stage, 4, 4)


def _build_plugin(building: Path) -> None:
    """Build the plugin, or write down why it cannot be: the boards can still be run, and their labels compared."""
    try:
        build_plugin(building / "count.so", building / "root")
    except EdgeError as error:
        write_text(building / _CANNOT_COUNT, str(error))


def write_board(folder: Path, board: Board, root: Path) -> None:
    """Make the root folder of one board: links to the folders in `root`, and the kernel's word on its processor."""
    make_folder(folder)
    for entry in sorted(root.iterdir()):
        (folder / entry.name).symlink_to(os.path.relpath(entry, folder))
    write_text(folder / "proc" / "cpuinfo", cpuinfo(board))


def _take_place(building: Path, target: Path) -> None:
    """Rename a finished folder; whatever half-made thing stands in its place goes, a whole one stays."""
    if not (target / "stamp.json").exists():
        shutil.rmtree(target, ignore_errors=True)
    try:
        building.rename(target)
    except OSError as error:
        if not (target / "stamp.json").exists():
            raise EdgeError(f"cannot write {target}", got=error.strerror or str(error)) from error


def _linked_package(folder: Path) -> Path:
    """Return a folder with a link ``fmnist_edge`` to this package, which may lie in a folder of any name.

    One for every place that the package is installed in, so that checkouts do not share bytecode.
    """
    packages = make_folder(folder / "packages" / sha256_hex(os.fsencode(_PACKAGE))[:8])
    point_link(packages / "fmnist_edge", str(_PACKAGE))
    return packages
