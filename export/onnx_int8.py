"""An int8 TFLite model, number for number, as an ONNX graph of the operators that onnxruntime is fast at.

One calibration decides the scales, zero points, weights and biases, in TFLite; this module writes the same numbers into
ONNX. TFLite's int8 activations become uint8 (value and zero point plus 128), which names the same real numbers and is
what onnxruntime's x86 and ARM kernels take; a file for ARM processors with dot products keeps them int8. All operators
are the NHWC ones of onnxruntime's ``com.microsoft`` domain, so that the graph needs no Transpose; rectifiers cost
nothing, because the lowest zero point clips at zero. The generic converter (tf2onnx of the TFLite file) gives the same
numbers in unfused float operators, 57 times slower.

Operators: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

from ..common.errors import EdgeError
from .flatbuffer import operator_name, read_model
from .halfpixels import parts_of_pixel, split_pixels
from .onnx_file import IR_VERSION, OPSET, serialize
from .padding import same_padding
from .pixels import INPUT, OUTPUT
from .recipe import ARM_DOT, GENERIC, Target
from .superpixels import widen_first_convolution

_FUSED = "com.microsoft"
_LOWEST = -128
_MANY_WEIGHTS = 1 << 18
"""From here on a dense layer is written as a convolution over one pixel."""


def translate(content: bytes, *, target: Target = GENERIC) -> bytes:
    """Translate an int8 TFLite model to a serialized ONNX model with the same numbers, for batches of any size.

    Args:
        content: the TFLite model.
        target: which processors it is for; every target computes the same.

    Raises:
        EdgeError: the model has an operator, a type or an activation that this translation does not know; names it.
    """
    model = read_model(content)
    translator = _Translator(model, target)
    for operator in model.subgraphs[0].operators:
        translator.add(operator)
    translated = translator.finish()
    widen_first_convolution(translated)
    return serialize(translated)


class _Translator:
    """Walks the TFLite operators in order and collects ONNX nodes and initializers."""

    def __init__(self, model: Any, target: Target) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._signed = target == ARM_DOT
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._value = {self._graph.inputs[0]: INPUT}
        self._before_reshape: dict[int, str] = {}
        self._wide: dict[int, str] = {}
        self._handlers: dict[str, Callable[[Any], None]] = {
            "QUANTIZE": self._quantize,
            "RESHAPE": self._reshape,
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "FULLY_CONNECTED": self._dense,
            "ADD": self._add,
            "MEAN": self._mean,
            "MAX_POOL_2D": self._max_pool,
            "CONCATENATION": self._concatenate,
            "DEQUANTIZE": self._dequantize,
            "SOFTMAX": self._softmax,
        }

    def add(self, operator: Any) -> None:
        """Translate one operator, whose inputs have been translated before."""
        name = operator_name(self._model, operator)
        if name not in self._handlers:
            raise self._unknown(operator, name, expected=", ".join(sorted(self._handlers)))
        self._handlers[name](operator)

    def finish(self) -> Any:
        """Return the `onnx.ModelProto` of all that was added."""
        output = self._graph.outputs[0]
        classes = int(self._tensor(output).shape[-1])
        read = {OUTPUT, *(name for node in self._nodes for name in node.input)}
        graph = helper.make_graph(
            [node for node in self._nodes if node.output[0] in read],
            "fmnist-edge",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", 28, 28])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", classes])],
            [constant for name, constant in self._initializers.items() if name in read],
        )
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(_FUSED, 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION, producer_name="fmnist-edge")

    # --- operators -------------------------------------------------------------------------------------------------

    def _quantize(self, operator: Any) -> None:
        """The uint8 pixels become int8 by a shift of 128: nothing to compute where activations are uint8."""
        source, target = operator.inputs[0], operator.outputs[0]
        pixels, shifted = self._tensor(source).quantization, self._tensor(target).quantization
        same = pixels is not None and np.array_equal(pixels.scale, shifted.scale)
        if self._tensor(source).type != schema.TensorType.UINT8 or not same:
            raise EdgeError(f"{self._label(target)} is requantized within the graph", expected="at the input only")
        self._value[target] = self._shifted_pixels() if self._signed else self._value[source]

    def _shifted_pixels(self) -> str:
        """Compute int8 pixels from uint8 ones, by way of float: operators that both types share are slower."""
        step = self._constant("pixels.step", np.asarray(1, np.float32))
        unsigned = self._constant("pixels.unsigned", np.asarray(0, np.uint8))
        signed = self._constant("pixels.signed", np.asarray(_LOWEST, np.int8))
        real, shifted = "pixels.real", "pixels.shifted"
        self._nodes.append(helper.make_node("DequantizeLinear", [INPUT, step, unsigned], [real], real))
        self._nodes.append(helper.make_node("QuantizeLinear", [real, step, signed], [shifted], shifted))
        return shifted

    def _reshape(self, operator: Any) -> None:
        sides = self._tensor(operator.outputs[0]).shape[1:]
        self._before_reshape[operator.outputs[0]] = self._in(operator)
        self._node("Reshape", operator, [self._in(operator), self._shape(operator, sides)])

    def _conv(self, operator: Any) -> None:
        weights = self._weights(operator).transpose(0, 3, 1, 2)
        self._convolution(operator, weights, group=self._channels_in(operator) // weights.shape[1])

    def _depthwise(self, operator: Any) -> None:
        weights = self._weights(operator).transpose(3, 0, 1, 2)
        self._convolution(operator, weights, group=self._channels_in(operator))

    def _convolution(self, operator: Any, weights: npt.NDArray[np.int8], *, group: int) -> None:
        options = operator.builtinOptions
        strides = [options.strideH, options.strideW]
        dilations = [options.dilationHFactor, options.dilationWFactor]
        spans = [(size - 1) * dilation + 1 for size, dilation in zip(weights.shape[2:], dilations, strict=True)]
        pads = self._pads(operator, spans, strides)
        source, *quantization = self._quantized_in(operator)
        if not self._signed and group == 1 and weights.shape[2:] != (1, 1) and dilations[1] == 1:
            parts = parts_of_pixel(weights.shape[1])
            source, weights = self._split(operator, parts), split_pixels(weights, parts)
            strides, pads = [strides[0], strides[1] * parts], [pads[0], pads[1] * parts, pads[2], pads[3] * parts]
        inputs = [source, *quantization, *self._weight_inputs(operator, weights)]
        inputs += [*self._quantized_out(operator, options.fusedActivationFunction), self._bias(operator)]
        attributes = {"group": group, "strides": strides, "pads": pads, "dilations": dilations}
        kernel = list(weights.shape[2:])
        self._node("QLinearConv", operator, inputs, domain=_FUSED, channels_last=1, kernel_shape=kernel, **attributes)

    def _split(self, operator: Any, parts: int) -> str:
        """Return the input of a convolution as pixels of fewer channels."""
        if parts == 1:
            return self._in(operator)
        _, height, width, channels = self._tensor(operator.inputs[0]).shape
        split = f"t{operator.outputs[0]}.split"
        return self._reshaped(self._in(operator), split, [-1, height, width * parts, channels // parts])

    def _dense(self, operator: Any) -> None:
        rank = len(self._tensor(operator.outputs[0]).shape)
        if rank != 2:
            raise self._unknown(operator, f"a dense layer with an output of rank {rank}", expected="(n, units)")
        weights = self._weights(operator)
        if self._signed or weights.size >= _MANY_WEIGHTS:
            self._wide_dense(operator, weights)
            return
        inputs = [*self._quantized_in(operator), *self._weight_inputs(operator, weights.T), self._bias(operator)]
        inputs += self._quantized_out(operator, operator.builtinOptions.fusedActivationFunction)
        if len(self._tensor(operator.inputs[0]).shape) != 2:
            inputs[0] = self._reshaped(inputs[0], f"t{operator.outputs[0]}.rows", [-1, weights.shape[1]])
        self._node("QGemm", operator, inputs, domain=_FUSED)

    def _wide_dense(self, operator: Any, weights: npt.NDArray[np.int8]) -> None:
        """Write a dense layer as a convolution over one picture with a pixel for each row of the batch.

        Its kernels take a fifth less time on x86 and a little fewer instructions on ARM than QGemm's. And QGemm has no
        kernel for int8 activations where exact sums are asked for (session.x64quantprecision).
        """
        source, target = operator.inputs[0], operator.outputs[0]
        _, *quantization = self._quantized_in(operator)
        units, inputs = weights.shape
        pixels = self._wide.get(source)
        if pixels is None:
            unshaped = self._before_reshape.get(source, self._in(operator))
            pixels = self._reshaped(unshaped, f"t{target}.in", [1, -1, 1, inputs])
        names = [pixels, *quantization, *self._packed_weights(operator, weights[:, :, np.newaxis, np.newaxis])]
        names += [*self._quantized_out(operator, operator.builtinOptions.fusedActivationFunction), self._bias(operator)]
        wide = f"t{target}.wide"
        self._nodes.append(
            helper.make_node("QLinearConv", names, [wide], wide, domain=_FUSED, channels_last=1, kernel_shape=[1, 1])
        )
        self._wide[target] = wide
        self._node("Reshape", operator, [wide, self._shape(operator, [units])])

    def _add(self, operator: Any) -> None:
        if any(index not in self._value for index in operator.inputs):
            raise self._unknown(operator, "adding a constant", expected="two computed values")
        left, right = (self._quantized(index) for index in operator.inputs)
        activation = operator.builtinOptions.fusedActivationFunction
        self._node("QLinearAdd", operator, [*left, *right, *self._quantized_out(operator, activation)], domain=_FUSED)

    def _mean(self, operator: Any) -> None:
        axes = self._data(operator.inputs[1], np.int32).ravel().tolist()
        if sorted(axes) != [1, 2]:
            raise self._unknown(operator, f"a mean over axes {axes}", expected="height and width, 1 and 2")
        target = operator.outputs[0]
        inputs = [*self._quantized_in(operator), *self._quantized_out(operator, schema.ActivationFunctionType.NONE)]
        pooled = self._before_reshape[target] = f"t{target}.pooled"
        self._nodes.append(
            helper.make_node("QLinearGlobalAveragePool", inputs, [pooled], pooled, domain=_FUSED, channels_last=1)
        )
        self._node("Reshape", operator, [pooled, self._shape(operator, self._tensor(target).shape[1:])])

    def _max_pool(self, operator: Any) -> None:
        options = operator.builtinOptions
        kernel, strides = [options.filterHeight, options.filterWidth], [options.strideH, options.strideW]
        self._require_implied(operator, options.fusedActivationFunction)
        shape = {"kernel_shape": kernel, "strides": strides, "pads": self._pads(operator, kernel, strides)}
        self._node("NhwcMaxPool", operator, [self._in(operator)], domain=_FUSED, **shape)

    def _concatenate(self, operator: Any) -> None:
        """Join values of one scale; those of a constant are none."""
        if any(index not in self._value for index in operator.inputs):
            raise self._unknown(operator, "joining a constant", expected="computed values")
        self._require_implied(operator, operator.builtinOptions.fusedActivationFunction)
        axis = int(operator.builtinOptions.axis)
        self._node("Concat", operator, [self._value[index] for index in operator.inputs], axis=axis)

    def _dequantize(self, operator: Any) -> None:
        self._node("DequantizeLinear", operator, list(self._quantized_in(operator)))

    def _softmax(self, operator: Any) -> None:
        self._node("Softmax", operator, [self._in(operator)], axis=-1)

    # --- parts -----------------------------------------------------------------------------------------------------

    def _node(self, kind: str, operator: Any, inputs: list[str], **attributes: Any) -> None:
        target = operator.outputs[0]
        value = OUTPUT if target == self._graph.outputs[0] else f"t{target}"
        self._value[target] = value
        self._nodes.append(helper.make_node(kind, inputs, [value], name=self._label(target), **attributes))

    def _reshaped(self, value: str, name: str, shape: Iterable[int]) -> str:
        constant = self._constant(f"{name}.shape", np.array(list(shape), np.int64))
        self._nodes.append(helper.make_node("Reshape", [value, constant], [name], name))
        return name

    def _unknown(self, operator: Any, what: str, *, expected: str) -> EdgeError:
        where = self._label(operator.outputs[0])
        return EdgeError(f"no int8 ONNX operator for {what} ({where})", expected=expected, hint="export it as .tflite")

    def _tensor(self, index: int) -> Any:
        return self._graph.tensors[index]

    def _label(self, index: int) -> str:
        name = self._tensor(index).name
        return str(name.decode() if isinstance(name, bytes) else name).split(";")[0]

    def _constant(self, name: str, array: npt.NDArray[Any]) -> str:
        self._initializers.setdefault(name, numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def _shape(self, operator: Any, sides: Iterable[int]) -> str:
        """Return the constant of a shape that leaves the batch free: ``(n, *sides)``."""
        return self._constant(f"{operator.outputs[0]}.shape", np.array([-1, *sides], np.int64))

    def _data(self, index: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        tensor = self._tensor(index)
        return np.frombuffer(bytes(self._model.buffers[tensor.buffer].data), dtype).reshape(tensor.shape)

    def _channels_in(self, operator: Any) -> int:
        return int(self._tensor(operator.inputs[0]).shape[3])

    def _in(self, operator: Any) -> str:
        return self._value[operator.inputs[0]]

    def _quantized(self, index: int) -> tuple[str, str, str]:
        """Return value, scale and zero point of a tensor, in the type of the target's activations."""
        quantization = self._tensor(index).quantization
        scale = np.asarray(quantization.scale[0], np.float32)
        number = quantization.zeroPoint[0]
        zero_point = np.asarray(number, np.int8) if self._signed else np.asarray(number - _LOWEST, np.uint8)
        names = self._constant(f"{index}.scale", scale), self._constant(f"{index}.zero_point", zero_point)
        return (self._value.get(index, ""), *names)

    def _quantized_in(self, operator: Any) -> tuple[str, str, str]:
        return self._quantized(operator.inputs[0])

    def _quantized_out(self, operator: Any, activation: int) -> list[str]:
        """Return scale and zero point of the output, after a check that they imply the fused activation."""
        self._require_implied(operator, activation)
        return list(self._quantized(operator.outputs[0])[1:])

    def _require_implied(self, operator: Any, activation: int) -> None:
        """Check that the range of the output clips where `activation` does."""
        quantization = self._tensor(operator.outputs[0]).quantization
        lowest = quantization.zeroPoint[0] - _LOWEST
        top = float(quantization.scale[0]) * (255 - lowest)
        kinds = schema.ActivationFunctionType
        implied = activation == kinds.NONE or (activation == kinds.RELU and lowest == 0)
        if not implied and not (activation == kinds.RELU6 and lowest == 0 and top <= 6.0 + 1e-5):
            raise self._unknown(operator, "an activation that its range does not imply", expected="a ReLU")

    def _weights(self, operator: Any) -> npt.NDArray[np.int8]:
        index = operator.inputs[1]
        if self._tensor(index).type != schema.TensorType.INT8:
            raise EdgeError(f"{self._label(operator.outputs[0])} has no int8 weights", expected="int8 throughout")
        return self._data(index, np.int8)

    def _packed_weights(self, operator: Any, weights: npt.NDArray[np.int8]) -> list[str]:
        """Return the inputs of weights that a packed matrix product shall take, int8 activations or not.

        For weights with a zero point of 0 and int8 activations onnxruntime has a kernel that computes four rows for
        one, at twice the instructions. Weights less one, with a zero point of -1, are the same numbers.
        """
        if not self._signed or weights.min() == _LOWEST:
            return self._weight_inputs(operator, weights)
        return self._weight_inputs(operator, weights - np.int8(1), zero_point=-1)

    def _weight_inputs(self, operator: Any, weights: npt.NDArray[np.int8], *, zero_point: int = 0) -> list[str]:
        target = operator.outputs[0]
        scales = np.asarray(self._tensor(operator.inputs[1]).quantization.scale, np.float32)
        return [
            self._constant(f"{target}.weights", weights),
            self._constant(f"{target}.weights.scale", scales),
            self._constant(f"{target}.weights.zero_point", np.full(len(scales), zero_point, np.int8)),
        ]

    def _bias(self, operator: Any) -> str:
        target = operator.outputs[0]
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return self._constant(f"{target}.bias", np.zeros(self._tensor(target).shape[-1], np.int32))
        return self._constant(f"{target}.bias", self._data(operator.inputs[2], np.int32))

    def _pads(self, operator: Any, spans: list[int], strides: list[int]) -> list[int]:
        """Return explicit padding, ``[top, left, bottom, right]``: TensorFlow's SAME puts the odd pixel behind."""
        if operator.builtinOptions.padding == schema.Padding.VALID:
            return [0, 0, 0, 0]
        before, after = zip(*same_padding(self._tensor(operator.inputs[0]).shape[1:3], strides, spans), strict=True)
        return [*before, *after]
