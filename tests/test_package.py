"""The package's own names."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

import pytest

import fmnist_edge

ROOT = Path(__file__).parents[1]


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert fmnist_edge.__version__ == project["version"]


def test_a_tree_that_was_never_installed_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert fmnist_edge.__version__ == "0+unknown"


def test_other_names_are_not_made_up() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fmnist_edge.nothing  # type: ignore[attr-defined]
