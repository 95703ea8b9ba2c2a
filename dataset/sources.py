"""Where Fashion-MNIST comes from: a folder of the user's, our cache, Debian's package, or upstream.

Every file is known by the SHA-256 of its decompressed payload: packagers recompress the gzip files, so the checksums
that upstream publishes for them do not hold elsewhere. These are the hashes of the corrected set of 31 August 2017
(zalandoresearch/fashion-mnist, issue 44).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from ..common.cache import cache_folder, require_cache_folder
from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..common.progress import Progress, silent
from .idx import read_payload

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DATA_VARIABLE = "FMNIST_EDGE_DATA"
_IN_CACHE = "fashion-mnist"


@dataclass(frozen=True)
class DataFile:
    """One of the four files: its name without ``.gz``, and what its payload must be."""

    name: str
    size_bytes: int
    sha256: str


TRAIN_IMAGES = DataFile(
    "train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
)
TRAIN_LABELS = DataFile(
    "train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
)
TEST_IMAGES = DataFile(
    "t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
)
TEST_LABELS = DataFile(
    "t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
)
DATA_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
DATASET_SHA256 = sha256_hex("".join(file.sha256 for file in DATA_FILES).encode())
"""One hash for the whole dataset: SHA-256 of the four hexadecimal hashes, in the order of `DATA_FILES`."""


def kept_folder() -> Path | None:
    """Return the folder where we keep the four files that we fetched; None where there is no home."""
    cache = cache_folder()
    return cache / _IN_CACHE if cache else None


def find_file(folder: Path, file: DataFile) -> Path | None:
    """Return the file in `folder`, compressed or not, or None."""
    for name in (f"{file.name}.gz", file.name):
        if (folder / name).is_file():
            return folder / name
    return None


def verified_payload(path: Path, file: DataFile) -> bytes:
    """Read `path` and return its payload if it is byte for byte what it must be.

    Raises:
        EdgeError: unreadable, broken, truncated, or another content than `file` states. Nothing is deleted.
    """
    payload = read_payload(path)
    if len(payload) != file.size_bytes:
        raise EdgeError(f"{path} is damaged", expected=f"{file.size_bytes:,} bytes", got=f"{len(payload):,} bytes")
    if sha256_hex(payload) != file.sha256:
        raise EdgeError(
            f"{path} is not Fashion-MNIST's {file.name}",
            expected=f"SHA-256 {file.sha256}",
            got=sha256_hex(payload),
            hint="the file is damaged, or a copy from before the correction of 31 August 2017; get it again",
        )
    return payload


def locate(data_dir: Path | None = None, *, progress: Progress = silent) -> Path:
    """Return a folder that holds all four files, fetching them into the cache when no place has them.

    Looks at `data_dir`, else the environment variable FMNIST_EDGE_DATA, else the cache, else Debian's folder. A folder
    that the user named is never written to, and is not passed over silently when files are missing there. The
    content is verified when it is read (`verified_payload`), and when it is fetched.

    Raises:
        EdgeError: a named folder lacks files, or nothing has them and they could not be fetched, or not be kept.
    """
    named = data_dir or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if named is not None:
        return _require_all(named)
    for folder in (kept_folder(), DEBIAN_FOLDER):
        if folder and all(find_file(folder, file) for file in DATA_FILES):
            return folder
    from .fetching import fetch_all  # here: it is needed once in a machine's life, and imports the network

    target = require_cache_folder() / _IN_CACHE
    fetch_all(target, progress=progress)
    return target


def _require_all(folder: Path) -> Path:
    missing = [file.name for file in DATA_FILES if find_file(folder, file) is None]
    if missing:
        raise EdgeError(
            f"Fashion-MNIST is not complete in {folder}",
            expected="the four files, each with or without .gz",
            got=f"no {', '.join(missing)}",
            hint=f"correct --data-dir or {DATA_VARIABLE}, or leave both out to have it fetched",
        )
    return folder


def load_payload(folder: Path, file: DataFile) -> bytes:
    """Read one file of `folder`, verified; a damaged file is deleted only when it lies in our own cache.

    Raises:
        EdgeError: the file is missing or not what it must be.
    """
    path = find_file(folder, file)
    if path is None:
        raise EdgeError(f"{file.name} is gone from {folder}", hint="run: fmnist-edge data")
    try:
        return verified_payload(path, file)
    except EdgeError as error:
        if folder != kept_folder():
            raise
        with contextlib.suppress(OSError):
            path.unlink()
        raise EdgeError(f"{error}; it lay in our cache and was deleted", hint="run: fmnist-edge data") from error
