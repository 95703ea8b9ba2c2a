"""The recipes are data: what each name promises."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fmnist_edge.commands.export import export
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export.recipe import FORMATS, INT8, INT16X8, RECIPES, Format, possible_pairs, refused_pairs


def test_the_names_and_formats_are_those_of_the_command_line() -> None:
    assert list(RECIPES) == ["float32", "float16", "dynamic", "int8", "int16x8"]
    assert set(RECIPES) <= set(inspect.signature(export).parameters)
    assert FORMATS == ("onnx", "tflite")


@pytest.mark.parametrize(
    ("name", "weights", "activations", "per_channel", "calibrated"),
    [
        ("float32", "float32", "float32", False, False),
        ("float16", "float16", "float32", False, False),
        ("dynamic", "int8", "float32", True, False),
        ("int8", "int8", "int8", True, True),
        ("int16x8", "int8", "int16", True, True),
    ],
)
def test_a_recipe_says_what_is_quantized(
    name: str, weights: str, activations: str, per_channel: bool, calibrated: bool
) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert (recipe.weights, recipe.activations) == (weights, activations)
    assert (recipe.per_channel, recipe.calibrated) == (per_channel, calibrated)
    assert recipe.purpose


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError, match="weights"):
        RECIPES["int8"].weights = "float32"  # type: ignore[misc]


# --- what does not exist ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [
        (
            "int16x8",
            "onnx",
            r"no int16x8 as .onnx, because onnxruntime has no kernels.*next: --int8 in ONNX",
        ),
        ("float32", "c", r"no float32 as .c, because .* float weights; next: --int8 or --int16x8 with --format c"),
        ("float16", "c", r"no float16 as .c, because .* float weights; next: --int8"),
        ("dynamic", "c", r"no dynamic as .c, because .* float activations; next: --int8"),
    ],
)
def test_what_a_format_does_not_have_is_refused_with_reason(name: str, kind: Format, match: str) -> None:
    with pytest.raises(EdgeError, match=match) as refused:
        possible_pairs([INT8, RECIPES[name]], [kind])
    assert refused.value.exit_code == 2
    (line,) = refused_pairs([INT8, RECIPES[name]], [kind])
    assert line.startswith(f"there is no {name} as .{kind}, because ")
    assert "; nearest: --int8" in line


def test_what_one_of_two_formats_has_is_written_in_that_one() -> None:
    assert possible_pairs([INT8, INT16X8], FORMATS) == [(INT8, "onnx"), (INT8, "tflite"), (INT16X8, "tflite")]
    assert len(refused_pairs([INT8, INT16X8], FORMATS)) == 1


def small_model(kind: int, dtype: Any, nodes: list[Any]) -> bytes:
    """Build an ONNX model of `nodes` from a value x to a value y, both of one quantized type."""
    values = [helper.make_tensor_value_info(name, kind, shape) for name, shape in (("x", [1, 3, 8, 8]), ("y", None))]
    constants = {"w": np.ones((4, 3, 3, 3), np.int8), "s": np.float32(0.1), "z": np.zeros((), dtype), "zw": np.int8(0)}
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "small", values[:1], values[1:], initializers)
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    ).SerializeToString()
    return content


CONVOLUTION = [helper.make_node("QLinearConv", ["x", "s", "z", "w", "s", "zw", "s", "z"], ["y"])]
BETWEEN = [
    helper.make_node("DequantizeLinear", ["x", "s", "z"], ["xf"]),
    helper.make_node("DequantizeLinear", ["w", "s", "zw"], ["wf"]),
    helper.make_node("Conv", ["xf", "wf"], ["yf"]),
    helper.make_node("QuantizeLinear", ["yf", "s", "z"], ["y"]),
]


def test_the_reason_holds_that_onnxruntime_has_no_int16_convolution() -> None:
    onnxruntime.InferenceSession(small_model(TensorProto.UINT8, np.uint8, CONVOLUTION))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph, match=r"tensor\(int16\).*is invalid"):
        onnxruntime.InferenceSession(small_model(TensorProto.INT16, np.int16, CONVOLUTION))


@pytest.mark.parametrize(
    ("kind", "dtype", "executed"),
    [(TensorProto.UINT8, np.uint8, "QLinearConv"), (TensorProto.INT16, np.int16, "Conv")],
    ids=["uint8", "int16"],
)
def test_the_reason_holds_that_a_graph_quantized_to_16_bits_runs_in_float(
    kind: int, dtype: Any, executed: str, tmp_path: Path
) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(small_model(kind, dtype, BETWEEN), options)
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert kinds & {"Conv", "QLinearConv"} == {executed}
