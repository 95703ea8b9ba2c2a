"""Running TFLite models: one that LiteRT refuses is an error that names the layer to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.trace import infer


def test_steps_too_small_to_compute_with_are_refused_by_the_name_of_the_layer(int8_tflite: Path) -> None:
    model = read_model(int8_tflite.read_bytes())
    graph = model.subgraphs[0]
    stem = next(operator for operator in graph.operators if operator_name(model, operator) == "CONV_2D")
    graph.tensors[stem.outputs[0]].quantization.scale = np.array([1e-30], np.float32)
    with pytest.raises(EdgeError, match=r"LiteRT cannot run the converted model; got .*; next: look at compact.*stem"):
        infer(write_model(model), np.zeros((1, 28, 28), np.uint8))
