"""Rounding weights so that their errors cancel, instead of each to its nearest step.

What counts is a layer's output, a sum over inputs that go together: neighbouring pixels, channels that answer alike.
So the weights of a row are rounded one after another, and the error of each is taken up by those that are still to be
rounded, as far as inputs on real images tell that they can. Any int8 weights can be rounded so, whatever the type of
the activations; on the compact network the mean change of a probability falls to a quarter.

Source: E. Frantar et al., "GPTQ: Accurate post-training quantization for generative pre-trained transformers", arXiv
2210.17323, equations 2 and 3 with the Cholesky form of its section 3.3; the target that makes up for the layers before
is least squares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from ..common.progress import Progress, silent
from .biases import narrow_biases, write_bias
from .flatbuffer import operator_name, read_model, write_model
from .padding import same_padding
from .trace import infer
from .twins import add_twin, small_layers, split_weights, store_twin

Array = npt.NDArray[np.float64]
METHOD = "compensated"
MAX_INPUTS = 4_096
"""Weights to an output that are rounded together; a layer with more (the seed's first dense one) is left as it is,
because the matrix of their products would not fit into memory."""
_ROWS = 30_000
"""Samples of a layer's inputs, over all images and positions."""
_DAMPING = 1e-4
"""Share of the mean square of an input, added so that inputs which are always 0 do no harm."""


def round_with_compensation(
    content: bytes,
    float_content: bytes,
    pixels: npt.NDArray[np.uint8],
    scaled: npt.NDArray[np.float32],
    *,
    twins: bool = False,
    progress: Progress = silent,
) -> bytes:
    """Return a TFLite model with int8 weights that are rounded anew, layer by layer, each after those before it.

    Depthwise convolutions keep their weights, which are too few to a row for errors to cancel.

    Args:
        content: the quantized model, which takes raw pixels.
        float_content: the same network in float32, which takes scaled pixels.
        pixels: uint8 ``(n, 28, 28)``, training images.
        scaled: the same, scaled, float32 ``(n, 28, 28)``.
        twins: give small layers a twin for what rounding leaves over (see `twins`); needs int16 activations.
        progress: told of every layer.
    """
    model, float_model = read_model(content), read_model(float_content)
    originals, layers = _layers(float_model), _layers(model)
    small = small_layers(model, layers) if twins else set()
    pairs = [(name, layer, originals[name]) for name, layer in layers.items() if name in originals]
    for done, (name, layer, original) in enumerate(pairs):
        progress("rounding weights", done, len(pairs))
        scales = np.asarray(_tensor(model, layer.inputs[1]).quantization.scale, np.float64)
        usable = np.isfinite(scales).all() and scales.min() > 0  # not so where an output has no weights
        if _inputs_to_output(model, layer) > MAX_INPUTS or not usable:
            continue
        weights, bias = _float_weights(float_model, original)
        seen = samples(model, layer, _input_values(model, layer, pixels))
        meant = samples(float_model, original, _input_values(float_model, original, scaled))
        rows, moment = np.hstack([weights, bias[:, np.newaxis]]), seen.T @ seen
        wanted = make_up(rows, moment, seen.T @ ((meant - seen) @ rows.T))
        if name in small:
            coarse, fine = split_weights(wanted[:, :-1], scales)
            _store(model, layer, coarse, wanted[:, -1])
            store_twin(model, add_twin(model, layer), fine)
        else:
            _store(model, layer, *compensate(wanted, scales, moment))
    progress("rounding weights", len(pairs), len(pairs))
    return write_model(model)


def make_up(rows: Array, moment: Array, missing: Array) -> Array:
    """Change weights so that they make up, in least squares, for what inputs of quantized layers lack.

    Args:
        rows: ``(outputs, inputs)``.
        moment: ``(inputs, inputs)``, sums of products of the quantized inputs.
        missing: ``(inputs, outputs)``, sums of products of the quantized inputs with what the outputs lack.

    An input that comes out as 1 and 2 instead of 2 and 4 wants twice the weight:

    >>> make_up(np.array([[2.0]]), np.array([[5.0]]), np.array([[10.0]])).round(2)
    array([[4.]])
    """
    damping = 10 * _DAMPING * float(np.mean(np.diag(moment)))
    change: Array = np.linalg.solve(moment + damping * np.eye(len(moment)), missing).T.astype(np.float64)
    return rows + change


def compensate(rows: Array, scales: Array, moment: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """Round weights one input after another, the largest inputs first; later weights and the bias take up the errors.

    Args:
        rows: ``(outputs, inputs + 1)``, real weights and, last, the bias, which is not rounded.
        scales: ``(outputs,)``, the step of every output's weights.
        moment: ``(inputs + 1, inputs + 1)``, sums of products of inputs; the last input is 1.

    Returns:
        Whole weights, ``(outputs, inputs)``, and the real bias, ``(outputs,)``.

    Two weights of 0.4 round to 0 each; but where their inputs are always equal, 0.8 is what counts, and 1 is nearer:

    >>> compensate(np.array([[0.4, 0.4, 0.0]]), np.ones(1), np.eye(3))[0]
    array([[0, 0]], dtype=int8)
    >>> together = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> compensate(np.array([[0.4, 0.4, 0.0]]), np.ones(1), together)[0]
    array([[0, 1]], dtype=int8)
    """
    count = moment.shape[0] - 1
    order = np.append(np.argsort(-np.diag(moment)[:count], kind="stable"), count)
    damped = moment[np.ix_(order, order)] + np.eye(count + 1) * _DAMPING * np.mean(np.diag(moment))
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    left = rows[:, order].copy()
    whole = np.zeros((len(rows), count), np.int8)
    for step in range(count):
        whole[:, order[step]] = np.clip(np.round(left[:, step] / scales), -127, 127)
        error = (left[:, step] - whole[:, order[step]] * scales) / factor[step, step]
        left[:, step + 1 :] -= np.outer(error, factor[step, step + 1 :])
    return whole, left[:, count]


def samples(model: Any, operator: Any, values: npt.NDArray[np.float32]) -> Array:
    """Return what a layer multiplies its weights with, and a 1 for the bias: ``(samples, inputs + 1)``.

    A convolution is sampled at positions that are drawn for every image, the same on each call.

    Args:
        model: the model.
        operator: a convolution or dense layer.
        values: its input, real, ``(n, height, width, channels)`` or ``(n, ...)``.
    """
    if operator_name(model, operator) == "FULLY_CONNECTED":
        rows = values.reshape(len(values), -1)
    else:
        rows = _patches(model, operator, values)
    return np.hstack([rows, np.ones((len(rows), 1), np.float32)]).astype(np.float64)


def _patches(model: Any, operator: Any, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    options = operator.builtinOptions
    strides, dilations = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
    kernel = _tensor(model, operator.inputs[1]).shape[1:3]
    spans = [(int(size) - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    if options.padding == schema.Padding.SAME:
        values = np.pad(values, ((0, 0), *same_padding(values.shape[1:3], strides, spans), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(values, tuple(spans), axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    count, height, width = windows.shape[:3]
    share = min(height * width, -(-_ROWS // count))
    drawn = np.argsort(np.random.default_rng(0).random((count, height * width)), axis=1)[:, :share]
    picked: npt.NDArray[np.float32] = windows[np.arange(count)[:, np.newaxis], drawn // width, drawn % width]
    return picked.transpose(0, 1, 3, 4, 2).reshape(count * share, -1)


def _layers(model: Any) -> Mapping[str, Any]:
    """Return the dense layers and convolutions with a bias and one group, by the name of their output, in order."""
    found = {}
    for operator in model.subgraphs[0].operators:
        kind = operator_name(model, operator)
        if kind not in {"CONV_2D", "FULLY_CONNECTED"} or len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        source, weights = (_tensor(model, index).shape for index in operator.inputs[:2])
        if kind == "FULLY_CONNECTED" or source[3] == weights[3]:
            found[_tensor(model, operator.outputs[0]).name.decode()] = operator
    return found


def _tensor(model: Any, index: int) -> Any:
    return model.subgraphs[0].tensors[index]


def _inputs_to_output(model: Any, operator: Any) -> int:
    return int(np.prod(_tensor(model, operator.inputs[1]).shape[1:]))


def _float_weights(model: Any, operator: Any) -> tuple[Array, Array]:
    """Return weights ``(outputs, inputs)`` and bias ``(outputs,)`` of a float layer."""
    tensors = [_tensor(model, index) for index in operator.inputs[1:3]]
    weights, bias = (np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32) for tensor in tensors)
    return weights.astype(np.float64).reshape(len(bias), -1), bias.astype(np.float64)


def _store(model: Any, operator: Any, whole: npt.NDArray[np.int8], bias: Array) -> None:
    model.buffers[_tensor(model, operator.inputs[1]).buffer].data = np.frombuffer(whole.tobytes(), np.uint8)
    steps = np.asarray(_tensor(model, operator.inputs[2]).quantization.scale, np.float64)
    write_bias(model, operator, bias / steps)


def _input_values(model: Any, operator: Any, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the input of a layer on `images`, as real numbers, by running the model up to it."""
    graph = model.subgraphs[0]
    operators, outputs, signatures = graph.operators, graph.outputs, model.signatureDefs
    graph.operators, graph.outputs = operators[: operators.index(operator)], [operator.inputs[0]]
    model.signatureDefs = None
    content = write_model(model)
    graph.operators, graph.outputs, model.signatureDefs = operators, outputs, signatures
    values = infer(narrow_biases(content), images).astype(np.float32)
    quantization = _tensor(model, operator.inputs[0]).quantization
    if quantization is None or quantization.scale is None:
        return values
    return (values - np.float32(quantization.zeroPoint[0])) * np.float32(quantization.scale[0])
