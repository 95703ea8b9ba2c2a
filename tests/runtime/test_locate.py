"""The model that is used when none is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fmnist_edge.common.box import NAMES, int8_model
from fmnist_edge.runtime.locate import choose_model, named_model


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
    assert choose_model(None, tmp_path) == tmp_path / chosen


@pytest.mark.parametrize("names", [[], ["fmnist-a-int8.tflite", "model.onnx"]])
def test_without_an_export_the_box_is_used(tmp_path: Path, names: list[str]) -> None:
    put(tmp_path, *names)
    assert choose_model(None, tmp_path) is choose_model(None, tmp_path / "absent") is None


def test_what_is_named_wins_over_an_export(tmp_path: Path) -> None:
    put(tmp_path, "fmnist-a-int8.onnx")
    assert choose_model(Path("box"), tmp_path) is None
    assert choose_model(Path("mine.onnx"), tmp_path) == Path("mine.onnx")
    assert choose_model(Path("compact"), tmp_path) == int8_model("compact")


def test_the_names_of_the_box_stand_for_files_that_are_there() -> None:
    for name in NAMES:
        assert named_model(Path(name)) == int8_model(name)
        assert int8_model(name).is_file()
        assert int8_model(name).with_suffix(".tflite").is_file()
