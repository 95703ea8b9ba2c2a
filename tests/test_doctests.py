"""Every example in a docstring is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import fmnist_edge


def module_names() -> Iterator[str]:
    """Yield the package and all its modules but the tests."""
    yield "fmnist_edge"

    def fail(name: str) -> None:
        raise ImportError(f"cannot import {name}")

    for module in pkgutil.walk_packages(fmnist_edge.__path__, "fmnist_edge.", onerror=fail):
        if not module.name.startswith("fmnist_edge.tests"):
            yield module.name


def test_every_example_in_a_docstring_is_true() -> None:
    results = {name: doctest.testmod(importlib.import_module(name)) for name in module_names()}
    assert {name: result.failed for name, result in results.items() if result.failed} == {}
    assert sum(result.attempted for result in results.values()) > 10
    folders = {"common", "dataset", "runtime", "benchmarks", "train", "export"}
    assert {name.split(".")[1] for name in results if "." in name} >= folders
