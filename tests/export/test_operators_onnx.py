"""What is read of a graph that onnxruntime optimized: counts by hand, types as executed, and other people's graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fmnist_edge.export.operators import Execution, Operator, float_islands, layers_of
from fmnist_edge.export.operators_onnx import read_onnx

from .onnx_models import SHARED, half_quantized, save, seed_in_integers


def read(path: Path) -> Execution:
    return read_onnx(path)


def node(kind: str, inputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, ["y"], "it", **attributes)


def floats(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


# Some kernels fill up their blocks of 8 or 16 channels, and execute more than is asked for: so there are 16 or 32.
COUNTED = {
    # 3 to 16 channels, 9x9 to 5x5: 16 * 25 numbers of 27 products each
    "padding and stride": (
        node("Conv", ["x", "w", "b"], strides=[2, 2], pads=[1] * 4),
        (3, 9, 9),
        (16, 3, 3, 3),
        10800,
    ),
    "dilation": (node("Conv", ["x", "w", "b"], dilations=[2, 2]), (3, 9, 9), (16, 3, 3, 3), 5 * 5 * 16 * 27),
    "depthwise": (node("Conv", ["x", "w", "b"], group=16), (16, 6, 6), (16, 1, 3, 3), 4 * 4 * 16 * 9),
    "two groups": (node("Conv", ["x", "w", "b"], group=2), (32, 6, 6), (32, 16, 1, 1), 6 * 6 * 32 * 16),
    # each of 2 * 4 * 4 inputs is spread over 3 channels of 3x3
    "transposed": (node("ConvTranspose", ["x", "w", "b"]), (2, 4, 4), (2, 3, 3, 3), 32 * 27),
    "dense": (node("Gemm", ["x", "w", "b"]), (7,), (7, 4), 28),
    "dense, transposed": (node("Gemm", ["x", "w", "b"], transB=1), (7,), (4, 7), 28),
}
OUTPUTS = {"transposed": 3, "two groups": 32, "dense": 4, "dense, transposed": 4}


@pytest.mark.parametrize("name", COUNTED)
def test_a_layer_is_counted_as_by_hand(name: str, tmp_path: Path) -> None:
    one, sides, weights, macs = COUNTED[name]
    constants = {"w": floats(*weights), "b": floats(OUTPUTS.get(name, 16))}
    (layer,) = layers_of(read(save(tmp_path / "a.onnx", [one], constants, shape=["n", *sides])).operators)
    assert (layer.macs, layer.parameters) == (macs, constants["w"].size + constants["b"].size)
    assert layer.layer == ("dense" if name.startswith("dense") else "convolution")
    assert (layer.input_type, layer.weights, layer.arithmetic) == ("float32", "float32", "float32")


def test_two_computed_matrices_have_macs_and_no_parameters(tmp_path: Path) -> None:
    turn = helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[0, 2, 1])
    path = save(tmp_path / "a.onnx", [turn, node("MatMul", ["x", "t"])], {}, shape=["n", 3, 5])
    (layer,) = layers_of(read(path).operators)
    assert (layer.macs, layer.parameters, layer.weights) == (3 * 3 * 5, 0, None)


def test_the_seed_has_the_parameters_and_macs_that_its_layers_have_by_hand(tmp_path: Path) -> None:
    operators = read(seed_in_integers(tmp_path / "seed.onnx")).operators
    assert [layer.macs for layer in layers_of(operators)] == [
        26 * 26 * 32 * 9,
        24 * 24 * 64 * 9 * 32,
        22 * 22 * 128 * 9 * 64,
        61952 * 512,
        512 * 512,
        512 * 10,
    ]
    assert sum(layer.macs or 0 for layer in operators) == 78_482_560
    assert sum(layer.parameters for layer in operators) == 32_080_394
    assert {layer.arithmetic for layer in layers_of(operators)} == {"int8"}


def test_other_trained_constants_are_parameters_and_scales_are_not(tmp_path: Path) -> None:
    halve = helper.make_node("Mul", ["x", "half"], ["h"], "halve")
    shift = helper.make_node("Add", ["h", "shift"], ["y"], "shift")
    constants = {"half": np.array([0.5], np.float32), "shift": floats(6)}
    found = {entry.name: entry.parameters for entry in read(save_float(tmp_path, [halve, shift], constants)).operators}
    assert found == {"halve": 0, "shift": 6}
    quantizers = half_quantized(tmp_path / "b.onnx")
    assert {entry.parameters for entry in read(quantizers).operators if entry.layer is None} == {0}


def save_float(folder: Path, nodes: list[Any], constants: dict[str, Any]) -> Path:
    return save(folder / "a.onnx", nodes, constants, shape=["n", 6])


def test_a_convolution_that_stays_float_is_an_island_between_those_in_int8(tmp_path: Path) -> None:
    operators = read(half_quantized(tmp_path / "half.onnx")).operators
    layers = layers_of(operators)
    assert [layer.arithmetic for layer in layers] == ["int8", "float32", "int8"]
    assert [layer.kind == "QLinearConv" for layer in layers] == [True, False, True]
    assert layers[1].macs == 8 * 8 * 4 * 4 * 9
    islands = float_islands(operators)
    assert layers[1] in islands
    assert {entry.kind for entry in islands} >= {"DequantizeLinear", "QuantizeLinear"}
    assert operators[-1].kind == "DequantizeLinear"
    assert operators[-1] not in islands


def test_a_layer_of_packed_weights_is_a_layer_too(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], "cast", to=TensorProto.FLOAT),
        helper.make_node("DequantizeLinear", ["w", "sw", "i"], ["wf"], "weights"),
        node("MatMul", ["f", "wf"]),
    ]
    weights = {"w": np.ones((4, 3), np.int8)}
    (layer,) = layers_of(
        read(save(tmp_path / "a.onnx", nodes, {**SHARED, **weights}, shape=["n", 4], kind=TensorProto.INT32)).operators
    )
    assert layer.kind == "MatMulNBits"  # which onnxruntime makes of it
    assert (layer.parameters, layer.macs) == (12, 12)
    assert layer.arithmetic == "dynamic"


def test_weights_behind_a_dequantizer_are_told_as_they_are_stored(tmp_path: Path) -> None:
    layer = layers_of(read(half_quantized(tmp_path / "half.onnx")).operators)[1]
    assert (layer.weights, layer.parameters, layer.arithmetic) == ("int8", 144, "float32")


def test_weights_quantized_while_running_are_dynamic(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], "quantize"),
        helper.make_node("MatMulInteger", ["q", "w", "qz"], ["p"], "multiply"),
        helper.make_node("Cast", ["p"], ["f"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["qs", "sw"], ["scale"], "scale"),
        node("Mul", ["f", "scale"]),
    ]
    path = save(tmp_path / "a.onnx", nodes, {**SHARED, "w": np.ones((4, 3), np.int8)}, shape=["n", 4])
    (layer,) = layers_of(read(path).operators)
    assert (layer.kind, layer.arithmetic, layer.weights) == ("DynamicQuantizeMatMul", "dynamic", "int8")
    assert (layer.parameters, layer.macs) == (12, 12)


def test_free_sides_leave_counts_open(tmp_path: Path) -> None:
    weights = {"w": floats(16, 3, 3, 3), "b": floats(16)}
    execution = read(save(tmp_path / "a.onnx", [node("Conv", ["x", "w", "b"])], weights, shape=["n", 3, "h", "w_"]))
    (layer,) = layers_of(execution.operators)
    assert (layer.macs, layer.parameters) == (None, 16 * 27 + 16)
    assert execution.inputs[0].shape == ("n", 3, "h", "w_")


def test_a_graph_that_cannot_be_run_on_ones_is_still_listed(tmp_path: Path) -> None:
    nodes = [node("Gather", ["table", "x"])]  # of one row, so that 1 is outside
    execution = read(save(tmp_path / "a.onnx", nodes, {"table": floats(1, 4)}, shape=["n", 3], kind=TensorProto.INT64))
    (gather,) = execution.operators
    assert (gather.output_shape, gather.output_type, gather.parameters) == ((1, 3, 4), "float32", 4)


def test_what_runs_inside_a_branch_is_noted(tmp_path: Path) -> None:
    branches = {}
    for key, kind in (("then_branch", "Exp"), ("else_branch", "Abs")):
        value = onnx.ValueInfoProto(name=f"{key}.y")
        branches[key] = helper.make_graph([helper.make_node(kind, ["x"], [value.name])], key, [], [value])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], "sum", keepdims=0),
        helper.make_node("Cast", ["sum"], ["yes"], "yes", to=TensorProto.BOOL),
        node("If", ["yes"], **branches),
    ]
    execution = read(save(tmp_path / "a.onnx", nodes, {}, shape=["n", 3]))
    assert execution.notes == ("what runs inside If is not listed",)


def test_the_contract_is_that_of_the_file(int8_onnx: Path) -> None:
    execution = read_onnx(int8_onnx)
    (pixels,), (probabilities,) = execution.inputs, execution.outputs
    assert (pixels.name, pixels.dtype, pixels.shape) == ("pixels", "uint8", ("n", 28, 28))
    assert (probabilities.name, probabilities.dtype, probabilities.shape) == ("probabilities", "float32", ("n", 10))
    assert execution.runtime.startswith("onnxruntime 1.")


def test_the_operators_of_float_pixels_are_those_that_were_fused(exports: Path) -> None:
    before = [entry.op_type for entry in onnx.load(exports / "fmnist-compact-float32.onnx").graph.node]
    after = read(exports / "fmnist-compact-float32.onnx").operators
    assert before.count("Relu") > 0
    assert [entry.kind for entry in after].count("Relu") < before.count("Relu")
    assert all(isinstance(entry, Operator) and None not in entry.output_shape for entry in after)
