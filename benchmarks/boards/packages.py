"""The arm64 Python of Debian and the arm64 wheels of PyPI, unpacked into folders without root and without installing.

apt resolves the dependencies itself, against lists and a status file of our own: nothing of the machine's is changed,
and no second architecture is switched on.
"""

from __future__ import annotations

import contextlib
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ...common.errors import EdgeError
from ...common.files import make_folder
from .tools import run_tool

_PACKAGES = ("python3", "libgomp1", "libstdc++6")
"""What Raspberry Pi OS has and the wheels need, besides what these depend on."""
_GLIBC_MINORS = range(36, 16, -1)
"""Wheels may ask for glibc 2.17 to 2.36, the one of Raspberry Pi OS bookworm."""


def unpack_python(root: Path, work: Path) -> str:
    """Unpack Debian's arm64 Python, of the release that this machine has, into `root`.

    Args:
        root: becomes the root of an arm64 system.
        work: an empty folder for downloads.

    Returns:
        The version of that Python, such as ``3.11``.

    Raises:
        EdgeError: the packages cannot be downloaded or unpacked.
    """
    for package in _download_packages(work):
        run_tool(["dpkg", "-x", package, root])
    for name in ("lib", "bin", "sbin"):  # links in newer Debians, made by a package that we do not need
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    try:
        return (root / "usr/bin/python3").resolve(strict=True).name.removeprefix("python")
    except OSError as error:
        raise EdgeError("Debian's arm64 packages hold no Python", expected="usr/bin/python3") from error


def _download_packages(work: Path) -> list[Path]:
    for name in ("lists/partial", "archives/partial"):
        make_folder(work / name)
    (work / "status").touch()
    options = apt_options(work)
    update_failure = ""
    try:
        run_tool(["apt-get", *options, "update"])
    except EdgeError as error:  # one broken source among the machine's must not stop us: what counts is what comes
        update_failure = str(error)
    hint = "the package sources must offer arm64: Debian's do, Ubuntu keeps it on a server of its own"
    try:
        command = ["install", "--yes", "--no-install-recommends", "--download-only"]
        run_tool(["apt-get", *options, *command, *_PACKAGES], hint=hint)
    except EdgeError as error:
        raise EdgeError(f"cannot download arm64 packages: {error}", got=update_failure) from error
    return sorted((work / "archives").glob("*.deb"))


def apt_options(work: Path) -> list[str]:
    """Return the options that make apt think of an empty arm64 machine whose state lies in `work`.

    >>> apt_options(Path("/w"))[:2]
    ['-oAPT::Architecture=arm64', '-oAPT::Architectures=arm64']
    """
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",  # as root, apt would download as a user who may not write here
        "Acquire::Languages": "none",
        "Debug::NoLocking": "1",
        "Dir::State": str(work),
        "Dir::State::Lists": str(work / "lists"),
        "Dir::State::status": str(work / "status"),
        "Dir::Cache": str(work),
        "Dir::Cache::archives": str(work / "archives"),
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]


def unpack_wheels(site: Path, work: Path, versions: Mapping[str, str], *, python: str) -> None:
    """Download the arm64 wheels of `versions` for Python `python`, without dependencies, and unpack them into `site`.

    Raises:
        EdgeError: a version has no arm64 wheel, or pip cannot reach an index.
    """
    requirements = [f"{name}=={version}" for name, version in versions.items()]
    command = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation=cp", "--dest", str(work)]
    platforms = [f"--platform={tag}" for tag in platform_tags()]
    try:
        pip = [sys.executable, "-m", "pip"]
        run_tool([*pip, *command, *platforms, f"--python-version={python}", *requirements])
    except EdgeError as error:
        expected = ", ".join(requirements)
        raise EdgeError(f"cannot download arm64 wheels: {error}", expected=expected) from error
    for wheel in sorted(work.glob("*.whl")):
        with contextlib.closing(zipfile.ZipFile(wheel)) as archive:
            archive.extractall(site)


def platform_tags() -> list[str]:
    """Return the tags of wheels that Raspberry Pi OS takes, the most special first.

    >>> platform_tags()[0], platform_tags()[-1]
    ('manylinux_2_36_aarch64', 'manylinux2014_aarch64')
    """
    return [*(f"manylinux_2_{minor}_aarch64" for minor in _GLIBC_MINORS), "manylinux2014_aarch64"]
