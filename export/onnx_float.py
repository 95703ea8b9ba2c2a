"""Keras to ONNX with tf2onnx, for the recipes with float activations."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import onnx
import tensorflow as tf

from ..common.errors import EdgeError
from .onnx_file import IR_VERSION, OPSET, serialize
from .onnx_settle import settle
from .pixels import INPUT, as_function
from .recipe import Recipe


def to_onnx(model: keras.Model) -> Any:
    """Convert `model` to a float32 `onnx.ModelProto`: uint8 ``(n, 28, 28)`` to float32 ``(n, classes)``.

    Raises:
        EdgeError: a layer has no counterpart in ONNX.
    """
    from tf2onnx import convert, utils

    signature = tf.TensorSpec((None, 28, 28), tf.uint8, name=INPUT)
    try:
        # from_keras fails on Keras 3; a function keeps the batch dimension free.
        with _silent("tf2onnx"):
            # It numbers what it adds, on and on, and sorts by name: a conversion that passes from __999 to __1000 folds
            # less than others.
            utils.INTERNAL_NAME = 1
            function = as_function(model, signature)
            converted, _ = convert.from_function(function, input_signature=[signature], opset=OPSET)
    except Exception as error:  # tf2onnx lets anything through
        raise EdgeError("tf2onnx refused the model", got=str(error), hint="use layers that ONNX has") from error
    _require_known(converted)
    settle(converted)
    return converted


def _require_known(model: Any) -> None:
    """Check that ONNX has every operator: tf2onnx passes on the ones it does not know, as they are."""
    unknown = {node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)}
    if unknown:
        raise EdgeError(f"ONNX has no operator for {', '.join(sorted(unknown))}", hint="use layers that ONNX has")


@contextlib.contextmanager
def _silent(name: str | None) -> Iterator[None]:
    """Raise the level of a logger while the block runs; None is the root logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def apply_recipe(float_graph: Any, recipe: Recipe) -> bytes:
    """Serialize what `to_onnx` returned, by one of the recipes with float activations; any batch size."""
    converted = onnx.ModelProto()
    converted.CopyFrom(float_graph)
    if recipe.name == "float16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        converted = convert_float_to_float16(converted, keep_io_types=True)
    elif recipe.name == "dynamic":
        converted = _quantize_dynamic(converted)
    converted.ir_version = IR_VERSION
    return serialize(converted)


def _quantize_dynamic(model: Any) -> Any:
    """Store the weights of dense layers as int8; convolutions stay float, ConvInteger being slower than that."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _silent(None), tempfile.TemporaryDirectory(prefix="fmnist-edge-") as folder:  # it logs advice to the root
        source, target = Path(folder) / "float.onnx", Path(folder) / "dynamic.onnx"
        onnx.save(model, source)
        quantize_dynamic(
            source, target, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
        )
        return onnx.load(target)
