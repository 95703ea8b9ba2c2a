"""Shared by all tests: one small real training and its exports, made once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from fmnist_edge.dataset import Split, load_split

from .quantizing import quantizing_in_one_way

TRAINING_IMAGES = 4_000


@pytest.fixture(scope="session")
def test_split() -> Split:
    """The 10,000 real test images."""
    return load_split("test")


@pytest.fixture(scope="session")
def compact_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of the compact network, trained for two epochs on a part of the data."""
    from fmnist_edge.train import require_tensorflow

    require_tensorflow()
    from fmnist_edge.train import trainer
    from fmnist_edge.train.options import TrainOptions

    path = tmp_path_factory.mktemp("runs") / "compact"
    options = TrainOptions(arch="compact", epochs=2, limit=TRAINING_IMAGES, batch_size=64)
    trainer.start(options, path, report=lambda line: None)
    return path


@pytest.fixture(scope="session")
def exports(compact_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `compact_run` exported by every recipe to every format."""
    from fmnist_edge.export.exporter import export
    from fmnist_edge.export.recipe import FORMATS, RECIPES

    folder = tmp_path_factory.mktemp("exports")
    export(compact_run, list(RECIPES.values()), FORMATS, folder)
    return folder


@pytest.fixture
def one_way(exports: Path) -> Iterator[None]:
    """Quantize in one way; `exports`, which others share, are made before."""
    with quantizing_in_one_way():
        yield


@pytest.fixture(scope="session")
def int8_onnx(exports: Path) -> Path:
    return exports / "fmnist-compact-int8.onnx"


@pytest.fixture(scope="session")
def int8_tflite(exports: Path) -> Path:
    return exports / "fmnist-compact-int8.tflite"


@pytest.fixture
def png(tmp_path: Path, test_split: Split) -> Path:
    """One picture of the test set (an ankle boot) as a file."""
    from PIL import Image

    path = tmp_path / "boot.png"
    Image.fromarray(np.asarray(test_split.images[0])).save(path)
    return path


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which something was skipped, where nothing may be (.ci/run)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("FMNIST_EDGE_NO_SKIP") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
