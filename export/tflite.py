"""Keras to TFLite with Google's converter, built-in operators only."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error
from .calibration import Calibration
from .flatbuffer import operator_name, read_model, write_model
from .logits import as_centred_logits, runner_up_range, with_softmax
from .pixels import Scaling, pixel_function, scaled_function, split_scaling
from .ranges import widen_constants
from .recipe import Recipe

Pixels = npt.NDArray[np.float32]


def convert_float(model: keras.Model, recipe: Recipe) -> bytes:
    """Convert with float activations: recipes ``float32``, ``float16`` and ``dynamic``.

    Raises:
        EdgeError: a layer needs an operator that LiteRT does not have built in.
    """
    converter = _converter(pixel_function(model, batch=1))
    if recipe.weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return _convert(converter)


@dataclass(frozen=True)
class FloatNetwork:
    """A network as the quantizer takes it: float32 TFLite of scaled pixels, with centred logits.

    Attributes:
        content: a model of scaled pixels, float32 ``(1, 28, 28)``.
        scaling: of those pixels.
        logits: the same network up to the logits, in Keras; None where it does not end in a dense softmax layer.
    """

    content: bytes
    scaling: Scaling
    logits: keras.Model | None

    def logit_range(self, calibration: Calibration) -> tuple[float, float] | None:
        """Return the runner-up's range of the logits on the images of `calibration`, or None without logits."""
        if self.logits is None:
            return None
        images = self.scaling.apply(calibration.split.images)[..., np.newaxis]
        return runner_up_range(self.logits.predict(images, batch_size=250, verbose=0))


def convert_scaled(model: keras.Model) -> FloatNetwork:
    """Convert to float32 the network that is to be quantized.

    Raises:
        EdgeError: a layer needs an operator that LiteRT does not have built in.
    """
    network, scaling, logits = _fold(model)
    converter = _converter(scaled_function(network))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return FloatNetwork(_convert(converter), scaling, logits)


def quantize_int8(content: bytes, scaling: Scaling, calibration: Calibration) -> bytes:
    """Quantize a float model to int8 weights and activations; the raw pixel is the quantized input.

    The steps are those of Google's converter, without its conversion from TensorFlow, which takes most of the time and
    the memory and is done once (`convert_scaled`).

    Args:
        content: a float TFLite model of scaled pixels.
        scaling: of those pixels.
        calibration: images that the ranges of the activations are measured on.

    Raises:
        EdgeError: a layer cannot run in int8 with LiteRT's built-in operators, the calibration images do not use the
            whole range of pixels, or the rescaling does not fit a zero point.
    """
    with _converting():
        measured = Calibrator(add_intermediate_tensors(content)).calibrate(_representative(scaling, calibration))
        quantized = mlir_quantize(measured, input_data_type=tf.uint8)
    finished = widen_constants(_float_softmax(quantized))
    _require_input(finished, scaling)
    return finished


def convert_int16x8(model: keras.Model, calibration: Calibration) -> tuple[bytes, Scaling]:
    """Convert to int8 weights and int16 activations, by minimum and maximum.

    Returns:
        A model of scaled pixels, float32 ``(1, 28, 28)``, which its first operator quantizes; and the scaling.

    Raises:
        EdgeError: a layer cannot run in int16 with LiteRT's built-in operators.
    """
    network, scaling, _ = _fold(model)
    converter = _converter(scaled_function(network))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _representative(scaling, calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    return _float_softmax(_convert(converter)), scaling


def _representative(scaling: Scaling, calibration: Calibration) -> Callable[[], Iterator[list[Pixels]]]:
    """Return what the converter takes calibration images from."""

    def representative() -> Iterator[list[Pixels]]:
        for image in scaling.apply(calibration.split.images):
            yield [image[np.newaxis]]

    return representative


def _fold(model: keras.Model) -> tuple[keras.Model, Scaling, keras.Model | None]:
    """Return the network without rescaling and with centred logits, the scaling, and the network up to the logits."""
    bare, scaling = split_scaling(model)
    logits = as_centred_logits(bare)
    return (bare if logits is None else with_softmax(logits)), scaling, logits


def _require_input(content: bytes, scaling: Scaling) -> None:
    """Check that the quantized input gives pixels the values that the rescaling would have given them."""
    graph = read_model(content).subgraphs[0]
    quantization = graph.tensors[graph.inputs[0]].quantization
    _require_range(float(quantization.scale[0]), int(quantization.zeroPoint[0]), scaling)


def pixel_quantization(scaling: Scaling) -> tuple[float, int]:
    """Return scale and zero point that give raw uint8 pixels the values that `scaling` gives them.

    Raises:
        EdgeError: there are none, because no pixel has the value 0 or the scale is negative.

    >>> pixel_quantization(Scaling(1 / 128, -1.0))
    (0.0078125, 128)
    """
    scale, zero_point = scaling.scale, min(max(round(-scaling.offset / scaling.scale), 0), 255)
    _require_range(abs(scale), zero_point, scaling)
    return scale, zero_point


def _require_range(scale: float, zero_point: int, scaling: Scaling) -> None:
    measured = (0 - zero_point) * scale, (255 - zero_point) * scale
    stated = scaling.offset, 255 * scaling.scale + scaling.offset
    if not np.allclose(measured, stated, rtol=0, atol=1e-3 * scale):
        raise EdgeError(
            "the quantized input does not mean what the rescaling computes",
            expected=f"{stated[0]:.6g} to {stated[1]:.6g} for pixels 0 to 255",
            got=f"{measured[0]:.6g} to {measured[1]:.6g}",
            hint="rescale by 1 / 255 without an offset, and calibrate on images with pixels of 0 and of 255",
        )


def _converter(function: Any) -> Any:
    # With the function as `trackable_obj` the converter takes the same path as without one, but does not warn of it.
    return tf.lite.TFLiteConverter.from_concrete_functions([function], function)


def _convert(converter: Any) -> bytes:
    with _converting():
        content: bytes = converter.convert()
    return content


@contextlib.contextmanager
def _converting() -> Iterator[None]:
    """Turn whatever the converter raises into one line, and keep it from printing."""
    try:
        with warnings.catch_warnings(), quiet_standard_error():  # its C++ reports what Python raises, and more
            warnings.simplefilter("ignore")  # the converter warns of its own defaults
            yield
    except Exception as error:  # the converter's own error class is private
        hint = "use layers that LiteRT has built in; a device has no TensorFlow operators"
        raise EdgeError("the TFLite converter refused the model", got=_first_reason(error), hint=hint) from error


def _first_reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)


def _float_softmax(content: bytes) -> bytes:
    """Compute the softmax after the last dequantization instead of before it.

    An int8 softmax rounds probabilities to 1/256, so that they do not sum to 1 and nearly equal classes tie. Ten
    floating-point exponentials cost nothing beside the network; the logits stay int8.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    names = [operator_name(model, operator) for operator in graph.operators]
    if names[-2:] != ["SOFTMAX", "DEQUANTIZE"]:
        raise EdgeError("the model does not end in a softmax", expected="a softmax over the classes", got=names[-1])
    softmax, dequantize = graph.operators[-2:]
    logits, between, probabilities = softmax.inputs[0], softmax.outputs[0], dequantize.outputs[0]
    graph.tensors[between].type = schema.TensorType.FLOAT32
    graph.tensors[between].quantization = None
    dequantize.inputs, dequantize.outputs = [logits], [between]
    softmax.inputs, softmax.outputs = [between], [probabilities]
    graph.operators[-2:] = [dequantize, softmax]
    return write_model(model)
