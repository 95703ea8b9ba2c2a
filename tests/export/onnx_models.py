"""ONNX models written node by node, as another's tools would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
SHARED: dict[str, Array] = {
    "s": np.array(0.05, np.float32),
    "sw": np.array(0.01, np.float32),
    "u": np.array(0, np.uint8),
    "i": np.array(0, np.int8),
    "middle": np.array(128, np.uint8),
}
"""Scales and zero points."""


def save(
    path: Path,
    nodes: Sequence[Any],
    constants: Mapping[str, Array],
    *,
    shape: Sequence[int | str],
    kind: int = TensorProto.FLOAT,
    gives: int = TensorProto.FLOAT,
    given_shape: Sequence[int | str] | None = None,
) -> Path:
    """Write a model of the input ``x`` of the type `kind`; its output is that of the last node, of the type `gives`."""
    used = {name for node in nodes for name in node.input}
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used]
    source = helper.make_tensor_value_info("x", kind, shape)
    target = helper.make_tensor_value_info(nodes[-1].output[0], gives, given_shape)
    graph = helper.make_graph(nodes, "it", [source], [target], initializers)
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString())
    return path


def conv_between_quantizers(name: str, source: str, target: str, *, relu: bool) -> list[Any]:
    """Write a convolution as other tools do: floating point, between dequantizers and a quantizer."""
    between = [helper.make_node("Relu", [f"{name}.f"], [f"{name}.r"], f"{name}.relu")] if relu else []
    return [
        helper.make_node("DequantizeLinear", [source, "s", "middle"], [f"{name}.x"], f"{name}.dequantize"),
        helper.make_node("DequantizeLinear", [f"{name}.w", "sw", "i"], [f"{name}.wf"], f"{name}.weights"),
        helper.make_node("Conv", [f"{name}.x", f"{name}.wf"], [f"{name}.f"], name, kernel_shape=[3, 3]),
        *between,
        helper.make_node(
            "QuantizeLinear", [f"{name}.r" if relu else f"{name}.f", "s", "middle"], [target], f"{name}.quantize"
        ),
    ]


def half_quantized(path: Path) -> Path:
    """Write three int8 convolutions; the second has a Relu that its int8 range does not imply, so it stays float."""
    rng = np.random.default_rng(0)
    weights = {f"conv{n}.w": rng.integers(-9, 9, (4, 4, 3, 3)).astype(np.int8) for n in (1, 2, 3)}
    nodes = [
        *conv_between_quantizers("conv1", "x", "a", relu=False),
        *conv_between_quantizers("conv2", "a", "b", relu=True),
        *conv_between_quantizers("conv3", "b", "c", relu=False),
        helper.make_node("DequantizeLinear", ["c", "s", "middle"], ["y"], "last"),
    ]
    constants = {**SHARED, **weights}
    return save(path, nodes, constants, shape=["n", 4, 12, 12], kind=TensorProto.UINT8, given_shape=["n", 4, 6, 6])


def seed_in_integers(path: Path) -> Path:
    """Write the seed's layers with int8 weights that are all 1, made while loading so that the file is small."""
    shapes = [(32, 1, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (61952, 512), (512, 512), (512, 10)]
    one = helper.make_tensor("one", TensorProto.INT8, [1], [1])
    nodes, value, constants = [], "x", dict(SHARED)
    for n, shape in enumerate(shapes):
        constants[f"shape{n}"] = np.array(shape, np.int64)
        constants[f"b{n}"] = np.zeros(shape[0] if len(shape) == 4 else shape[1], np.int32)
        nodes.append(helper.make_node("ConstantOfShape", [f"shape{n}"], [f"w{n}"], value=one))
        inputs, weights, after = [value, "s", "u"], [f"w{n}", "sw", "i"], ["s", "u"]
        if len(shape) == 4:
            nodes.append(helper.make_node("QLinearConv", [*inputs, *weights, *after, f"b{n}"], [f"v{n}"], f"layer{n}"))
        else:
            nodes.append(
                helper.make_node(
                    "QGemm", [*inputs, *weights, f"b{n}", *after], [f"v{n}"], f"layer{n}", domain="com.microsoft"
                )
            )
        value = f"v{n}"
        if n == 2:
            nodes.append(helper.make_node("Flatten", [value], ["flat"], "flatten"))
            value = "flat"
    eight_bits = TensorProto.UINT8
    return save(path, nodes, constants, shape=["n", 1, 28, 28], kind=eight_bits, gives=eight_bits)
