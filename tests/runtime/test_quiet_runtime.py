"""The runtime keeps to itself: no telemetry, and nothing written into the home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_edge import runtime


def test_predicting_leaves_the_home_folder_empty(int8_onnx: Path, png: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "CI"}}
    environment = {**kept, "HOME": str(home), "XDG_CACHE_HOME": ""}
    command = [
        sys.executable,
        "-m",
        "fmnist_edge.cli",
        "predict",
        str(png),
        "--model",
        str(int8_onnx),
        "--backend",
        "onnxruntime",
    ]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    assert list(home.rglob("*")) == []


def test_a_name_that_the_runtime_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = runtime.nothing
    assert all(hasattr(runtime, name) for name in runtime.__all__)
