"""What the fault tests share: the nursery, a tiny trained network, and how long a run is wanted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .nursery import Nursery

TINY = Path(__file__).with_name("tiny.py")
TRAIN = ("train", "--arch", f"{TINY}:build", "--limit", "200", "--epochs", "3", "--out", "run")

SPACE = f"""
arch = "{TINY}:build"
epochs = 1
limit = 200
learning_rate = {{ low = 0.01, high = 0.1 }}
"""


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    running = Nursery()
    yield running
    running.close()


@pytest.fixture(scope="session")
def tiny_run(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of the tiny network."""
    folder = tmp_path_factory.mktemp("trained")
    ended = nursery.run(folder, *TRAIN)
    assert ended.code == 0, ended.err
    return folder / "run"


@pytest.fixture(scope="session")
def tiny_exports(nursery: Nursery, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny network as float16 and int8, in both formats."""
    folder = tmp_path_factory.mktemp("exported")
    ended = nursery.run(folder, "export", tiny_run, "--int8", "--float16", "--no-recover", "--out", "exports")
    assert ended.code == 0, ended.err
    return folder / "exports"


@pytest.fixture
def work(tmp_path: Path, tiny_run: Path, tiny_exports: Path) -> Path:
    """A folder with a trained network, as `trained`, its exports, as `models`, and a space to search."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copytree(tiny_run, folder / "trained")
    shutil.copytree(tiny_exports, folder / "models")
    (folder / "space.toml").write_text(SPACE)
    return folder


def long_run(variable: str, usual: int) -> int:
    """Return how many times to try: `usual` in the suite, more where the environment says so."""
    return int(os.environ.get(variable, usual))
