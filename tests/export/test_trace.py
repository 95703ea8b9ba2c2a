"""Running TFLite models: many images a call as one, and what LiteRT refuses is an error that names the layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge.common.box import in_the_box
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.export import trace
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.trace import infer
from fmnist_edge.runtime.runner import open_runner


def test_steps_too_small_to_compute_with_are_refused_by_the_name_of_the_layer(int8_tflite: Path) -> None:
    model = read_model(int8_tflite.read_bytes())
    graph = model.subgraphs[0]
    stem = next(operator for operator in graph.operators if operator_name(model, operator) == "CONV_2D")
    graph.tensors[stem.outputs[0]].quantization.scale = np.array([1e-30], np.float32)
    with pytest.raises(EdgeError, match=r"LiteRT cannot run the converted model; got .*; next: look at compact.*stem"):
        infer(write_model(model), np.zeros((1, 28, 28), np.uint8))


@pytest.mark.parametrize(
    ("name", "at_once"), [("compact", True), ("strong", False)], ids=["one side", "both sides, in a batch of two"]
)
def test_the_answers_to_many_images_a_call_are_those_of_one_a_call(
    name: str, at_once: bool, test_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_the_box(name, "-int8.tflite")
    images = test_split.images[:75]
    sizes = []
    answers = trace._answers

    def counted(interpreter: Any, images: npt.NDArray[Any], at_once: int) -> npt.NDArray[Any]:
        sizes.append(at_once)
        return answers(interpreter, images, at_once)

    monkeypatch.setattr(trace, "_answers", counted)
    with open_runner(path) as runner:
        np.testing.assert_array_equal(infer(path.read_bytes(), images), runner.infer(images))
        np.testing.assert_array_equal(infer(path.read_bytes(), images[:5]), runner.infer(images[:5]))
    assert (32 in sizes) is at_once
