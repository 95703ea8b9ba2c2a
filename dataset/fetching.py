"""Fetch Fashion-MNIST into the cache: from upstream, else out of Debian's package without root."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from ..common.errors import EdgeError, one_line
from ..common.files import atomic_path, make_folder
from ..common.progress import Progress
from .sources import DATA_FILES, DEBIAN_FOLDER, DataFile, find_file, verified_payload

UPSTREAM_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
"""Upstream's download address (README of zalandoresearch/fashion-mnist); content is checked by hash, not by host."""
UPSTREAM_VARIABLE = "FMNIST_EDGE_UPSTREAM"
_DEBIAN_PACKAGE = "dataset-fashion-mnist"
_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 20.0
_APT_TIMEOUT_S = 600


def fetch_all(cache: Path, *, progress: Progress) -> None:
    """Put all four files into `cache`, each verified before it gets its name.

    Several processes may fetch at once: each writes under a name of its own, and the last rename wins.

    Raises:
        EdgeError: neither source could give them; says why for each.
    """
    make_folder(cache)
    reasons = []
    for name, fetch in (("upstream", _fetch_upstream), ("Debian's package", _fetch_debian)):
        try:
            fetch(cache, progress)
            return
        except EdgeError as error:
            reasons.append(f"{name}: {error}")
    raise EdgeError(
        "cannot get Fashion-MNIST",
        got=" | ".join(one_line(reason, limit=240) for reason in reasons),
        hint="copy the four .gz files to this machine and name their folder with --data-dir",
    )


def _fetch_upstream(cache: Path, progress: Progress) -> None:
    base = os.environ.get(UPSTREAM_VARIABLE, UPSTREAM_URL).rstrip("/")
    for file in DATA_FILES:
        if find_file(cache, file) is None:
            with atomic_path(cache / f"{file.name}.gz") as temporary:
                _download(f"{base}/{file.name}.gz", temporary, progress)
                verified_payload(temporary, file)


def _download(url: str, target: Path, progress: Progress) -> None:
    """Stream `url` to `target`.

    Raises:
        EdgeError: no connection, an HTTP error, or a body that is shorter than announced.
    """
    stage = f"downloading {url.rsplit('/', 1)[-1]}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, target.open("wb") as out:
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while chunk := response.read(_CHUNK_BYTES):
                out.write(chunk)
                done += len(chunk)
                progress(stage, done, max(total, done + 1) if done != total else total)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        raise EdgeError(f"cannot download {url}", got=str(error)) from error
    if total and done != total:
        raise EdgeError(f"the download of {url} broke off", expected=f"{total:,} bytes", got=f"{done:,}")


def _fetch_debian(cache: Path, progress: Progress) -> None:
    stage = f"unpacking Debian's {_DEBIAN_PACKAGE}"
    with tempfile.TemporaryDirectory(prefix="fmnist-edge-") as name:
        folder = Path(name)
        progress(stage, 0, 3)
        package = _apt_download(folder)
        progress(stage, 1, 3)
        _run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], folder)
        progress(stage, 2, 3)
        unpacked = folder / "unpacked" / DEBIAN_FOLDER.relative_to("/")
        for file in DATA_FILES:
            _take(unpacked, file, cache)
        progress(stage, 3, 3)


def _take(unpacked: Path, file: DataFile, cache: Path) -> None:
    source = find_file(unpacked, file)
    if source is None:
        raise EdgeError(f"Debian's {_DEBIAN_PACKAGE} has no {file.name}")
    with atomic_path(cache / source.name) as temporary:
        shutil.copyfile(source, temporary)
        verified_payload(temporary, file)


def _apt_download(folder: Path) -> Path:
    """Download the package as a file; where the system's package lists are missing, with lists of our own."""
    try:
        _run(["apt-get", "download", _DEBIAN_PACKAGE], folder)
    except EdgeError:
        lists = make_folder(folder / "lists" / "partial").parent
        options = [f"-oDir::State::Lists={lists}", "-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache="]
        _run(["apt-get", *options, "update"], folder)
        _run(["apt-get", *options, "download", _DEBIAN_PACKAGE], folder)
    packages = sorted(folder.glob(f"{_DEBIAN_PACKAGE}_*.deb"))
    if not packages:
        raise EdgeError(f"apt-get brought no {_DEBIAN_PACKAGE}")
    return packages[-1]


def _run(command: list[str], folder: Path) -> None:
    """Run one Debian tool in `folder`.

    Raises:
        EdgeError: the tool is not installed, failed, or took longer than ten minutes.
    """
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_APT_TIMEOUT_S)
    except FileNotFoundError as error:
        raise EdgeError(f"no {command[0]} on this machine (it is not a Debian)") from error
    except subprocess.CalledProcessError as error:
        raise EdgeError(f"{command[0]} failed", got=one_line(error.stderr, limit=200)) from error
    except subprocess.TimeoutExpired as error:
        raise EdgeError(f"{command[0]} took longer than {_APT_TIMEOUT_S} s") from error
