"""The model that is used when none is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.runtime.locate import default_model


def put(folder: Path, *names: str) -> None:
    """Write empty files, each younger than the one before."""
    for age, name in enumerate(names):
        (folder / name).touch()
        os.utime(folder / name, (1_000 + age, 1_000 + age))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["fmnist-z-int8.onnx", "fmnist-a-int8.onnx"], "fmnist-a-int8.onnx"),
        (["fmnist-a-int8.onnx", "fmnist-b-float32.onnx", "fmnist-c-int8.tflite"], "fmnist-a-int8.onnx"),
        (["fmnist-b-float32.onnx", "fmnist-a-float16.onnx", "other.onnx"], "fmnist-a-float16.onnx"),
    ],
)
def test_the_newest_int8_onnx_file_is_used_else_the_newest_onnx_file(
    tmp_path: Path, names: list[str], chosen: str
) -> None:
    put(tmp_path, *names)
    assert default_model(tmp_path) == tmp_path / chosen


@pytest.mark.parametrize("names", [[], ["fmnist-a-int8.tflite", "model.onnx"]])
def test_a_folder_without_a_model_is_an_error(tmp_path: Path, names: list[str]) -> None:
    put(tmp_path, *names)
    with pytest.raises(EdgeError, match=r"no model in .*; expected a file fmnist-\*\.onnx; got none; next: .*--model"):
        default_model(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no model in .*absent; .*next: name one with --model"):
        default_model(tmp_path / "absent")
