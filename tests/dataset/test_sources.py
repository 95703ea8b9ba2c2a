"""Where the data is looked for, in which order, and what happens to damaged files."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import load_split, sources
from fmnist_edge.dataset.sources import (
    DATA_FILES,
    DATASET_SHA256,
    TEST_IMAGES,
    TEST_LABELS,
    DataFile,
    find_file,
    load_payload,
    locate,
    verified_payload,
)

CONTENT = b"payload"
FILE = DataFile("some-ubyte", len(CONTENT), sha256_hex(CONTENT))


def fill(folder: Path, *, suffix: str = ".gz") -> Path:
    """Make a folder with four files of the right names, which is all that `locate` looks at."""
    folder.mkdir(parents=True)
    for file in DATA_FILES:
        (folder / f"{file.name}{suffix}").touch()
    return folder


def test_the_dataset_has_the_hash_that_reports_quote() -> None:
    assert DATASET_SHA256 == "d1fd84a877f3b78fa9a171b3de73f93e7b6f69ed94bada3feae9d96821401f5c"


def test_the_real_files_have_the_stated_sizes_and_hashes(real_files: Path) -> None:
    for file in DATA_FILES:
        path = find_file(real_files, file)
        assert path is not None
        assert len(verified_payload(path, file)) == file.size_bytes


def test_without_a_home_the_other_places_do(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name)
    with pytest.raises(EdgeError, match="no folder to keep downloads in"):
        locate()
    fill(sources.DEBIAN_FOLDER)
    assert locate() == sources.DEBIAN_FOLDER


def test_places_are_looked_at_in_order(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    option, variable = fill(tmp_path / "option"), fill(tmp_path / "variable", suffix="")
    debian = fill(sources.DEBIAN_FOLDER)
    assert locate() == debian
    assert locate(option) == option
    assert locate() == debian
    fill(empty_cache)
    assert locate() == empty_cache
    monkeypatch.setenv("FMNIST_EDGE_DATA", str(variable))
    assert locate() == variable
    assert locate(option) == option


def test_a_cache_that_lacks_a_file_is_passed_over(empty_cache: Path) -> None:
    fill(empty_cache)
    (empty_cache / f"{TEST_LABELS.name}.gz").unlink()
    debian = fill(sources.DEBIAN_FOLDER)
    assert locate() == debian


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_named_folder_that_lacks_files_is_an_error_and_not_passed_over(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, *, by_variable: bool
) -> None:
    fill(empty_cache)
    named = fill(tmp_path / "named")
    for file in (TEST_IMAGES, TEST_LABELS):
        (named / f"{file.name}.gz").unlink()
    monkeypatch.setenv("FMNIST_EDGE_DATA", str(named if by_variable else empty_cache))
    match = f"not complete in .*named; expected the four files.*; got no {TEST_IMAGES.name}, {TEST_LABELS.name}; next: "
    with pytest.raises(EdgeError, match=match):
        locate(None if by_variable else named)
    assert len(list(named.iterdir())) == 2


def test_a_file_is_found_compressed_or_not_but_not_as_a_folder(tmp_path: Path) -> None:
    assert find_file(tmp_path, FILE) is None
    (tmp_path / FILE.name).mkdir()
    assert find_file(tmp_path, FILE) is None
    (tmp_path / f"{FILE.name}.gz").touch()
    assert find_file(tmp_path, FILE) == tmp_path / f"{FILE.name}.gz"


Damage = tuple[Callable[[], bytes], str]
DAMAGED: dict[str, Damage] = {
    "empty": (lambda: b"", "is damaged; expected 7 bytes; got 0 bytes"),
    "short": (lambda: CONTENT[:-1], "is damaged; expected 7 bytes; got 6 bytes"),
    "long": (lambda: CONTENT + b"!", "is damaged; expected 7 bytes; got 8 bytes"),
    "other": (lambda: b"Payload", f"is not Fashion-MNIST's some-ubyte; expected SHA-256 {FILE.sha256}; got [0-9a-f]"),
    "truncated gzip": (lambda: gzip.compress(CONTENT)[:-9], "cannot decompress .*; expected a whole gzip file"),
}


@pytest.mark.parametrize(("content", "match"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_of_the_users_is_refused_and_kept(
    tmp_path: Path, empty_cache: Path, content: Callable[[], bytes], match: str
) -> None:
    path = tmp_path / FILE.name
    path.write_bytes(content())
    with pytest.raises(EdgeError, match=match) as caught:
        load_payload(tmp_path, FILE)
    assert "deleted" not in str(caught.value)
    assert path.read_bytes() == content()
    assert not empty_cache.exists()


@pytest.mark.parametrize(("content", "match"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_in_our_cache_is_refused_and_deleted(
    empty_cache: Path, content: Callable[[], bytes], match: str
) -> None:
    empty_cache.mkdir(parents=True)
    path = empty_cache / FILE.name
    path.write_bytes(content())
    with pytest.raises(EdgeError, match=f"{match}.*in our cache and was deleted; next: run: fmnist-edge data"):
        load_payload(empty_cache, FILE)
    assert not path.exists()


def test_a_file_that_vanished_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"some-ubyte is gone from .*; next: run: fmnist-edge data"):
        load_payload(tmp_path, FILE)


def test_a_split_is_never_loaded_from_a_damaged_file(tmp_path: Path, real_files: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(real_files, folder, symlinks=True)
    labels = folder / f"{TEST_LABELS.name}.gz"
    payload = bytearray(verified_payload(labels, TEST_LABELS))
    payload[-1] ^= 1
    labels.unlink()
    labels.write_bytes(gzip.compress(bytes(payload)))
    with pytest.raises(
        EdgeError, match=f"is not Fashion-MNIST's {TEST_LABELS.name}; expected SHA-256 {'.' * 64}; got "
    ):
        load_split("test", folder)
    assert labels.exists()
