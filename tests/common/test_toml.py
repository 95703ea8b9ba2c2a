"""TOML files: read whole, or refused in one line whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.toml import MAX_BYTES, read_toml


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "Größe"\n[table]\nnumber = 3\n', encoding="utf-8")
    assert read_toml(tmp_path / "a.toml") == {"name": "Größe", "table": {"number": 3}}


def test_the_longest_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"a = 1".ljust(MAX_BYTES))
    assert read_toml(tmp_path / "a.toml") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a = 1".ljust(MAX_BYTES + 1), "at most 65,536 bytes; got more"),
        (b"a = ", "a TOML file; got Invalid value"),
        (b"\xff", "a TOML file; got 'utf-8' codec"),
        (b"a = " + b"[" * 5_000, "a TOML file; got "),
        (b"a = " + b"9" * 5_000, "a TOML file; got Exceeds the limit"),
    ],
    ids=["too long", "no value", "no text", "too deep", "too many digits"],
)
def test_what_is_no_such_file_is_refused(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(EdgeError, match=f"cannot read .*a.toml; expected {expected}"):
        read_toml(tmp_path / "a.toml")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none.toml; expected a TOML file; got No such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(EdgeError, match=r"expected a TOML file; got Is a directory"):
        read_toml(tmp_path)
