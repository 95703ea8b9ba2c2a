"""A machine that has no Fashion-MNIST, and the real files to serve to it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fmnist_edge.dataset import fetching, locate, sources
from fmnist_edge.dataset.sources import DATA_FILES, find_file, verified_payload

CLOSED_PORT = "http://127.0.0.1:9"
REAL_DEBIAN_FOLDER = fetching.DEBIAN_FOLDER  # bound before a test moves the one that `locate` looks at


@pytest.fixture(scope="session")
def real_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four real files, each with .gz."""
    folder, found = tmp_path_factory.mktemp("real"), locate()
    for file in DATA_FILES:
        path, target = find_file(found, file), folder / f"{file.name}.gz"
        assert path is not None
        if path.suffix == ".gz":
            target.symlink_to(path)
        else:
            target.write_bytes(gzip.compress(verified_payload(path, file), 1))
    return folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, not yet made, of a machine without Fashion-MNIST, Debian's package or the internet."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FMNIST_EDGE_UPSTREAM", CLOSED_PORT)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(sources.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(sources, "DEBIAN_FOLDER", tmp_path / "debian")
    folder = sources.kept_folder()
    assert folder is not None
    return folder
