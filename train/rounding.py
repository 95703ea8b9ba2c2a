"""Rounding while training: in its last epochs a model sees its weights and activations as int8 will have them.

A model is turned into a *twin*: the same layers with the same weights, of which those that int8 rounds have a subclass.
Its forward pass rounds kernels and activations; the gradient passes straight through to the float weights behind them,
which are what is trained and kept. After B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", arXiv 1712.05877, section 3; for the gradient Y. Bengio et al., arXiv 1308.3432.

What is rounded is what int8 rounds. A kernel has one step for every output channel, so a batch normalization behind it,
which multiplies whole output channels, need not be folded first: rounding before is the same as rounding after. Of a
chain that becomes one operator (convolution, normalization, sum, rectifier) the last output is rounded. Pixels are
whole numbers anyway; logits and softmax stay float, because int8 gives the logits a range of their own.

Not simulated are biases (32 bits), the equalized channels and recovered weights that ``export`` may choose, and a
normalization that goes into the dense layer behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from .building import compile_model
from .chains import rounded_outputs
from .fused import unfused
from .options import TrainOptions

BITS = 8
MEASURED_IMAGES = 256
"""Training images that the ranges begin with; each step then moves them a little."""
_MOMENTUM = 0.99
"""What a range keeps at a step, so that it follows the last few hundred batches."""
_LEAST_STEP = 1e-12
"""For what is 0 everywhere."""
_OWN = ("bits", "rounds_output")
_LOW, _HIGH = "rounding_low", "rounding_high"


def round_kernel(kernel: Any, axes: tuple[int, ...], *, bits: int = BITS) -> Any:
    """Round `kernel` to whole numbers of steps, symmetrically around 0; the gradient passes straight through.

    Args:
        kernel: float weights of any shape.
        axes: of the kernel, those that share one step: all but the output channels.
        bits: 8 gives -127 to 127 steps.
    """
    most = 2 ** (bits - 1) - 1
    steps = ops.maximum(ops.max(ops.abs(kernel), axis=axes, keepdims=True) / most, _LEAST_STEP)
    return kernel + ops.stop_gradient(ops.round(kernel / steps) * steps - kernel)


def round_activation(values: Any, low: Any, high: Any, *, bits: int = BITS) -> Any:
    """Round `values` to the whole steps of a range, of which 0 is one; the gradient is 0 outside of the range.

    Args:
        values: float activations of any shape.
        low: the least value of the range, at most 0.
        high: the largest, at least 0.
        bits: 8 gives 255 steps.
    """
    levels = 2**bits - 1
    step = ops.maximum((high - low) / levels, _LEAST_STEP)
    below = ops.round(-low / step)
    clipped = ops.clip(values, -below * step, (levels - below) * step)
    return clipped + ops.stop_gradient(ops.round(clipped / step) * step - clipped)


class _Rounding(layers.Layer):  # type: ignore[misc]
    """What the layers of a twin share: the number of bits, and the range of an output that is rounded.

    The range is a running average of the least and the largest value of a batch, and follows them while it is trained.
    """

    def __init__(self, *, bits: int = BITS, rounds_output: bool = True, **config: Any) -> None:
        super().__init__(**config)
        self.bits, self.rounds_output, self.follows = bits, rounds_output, False

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.rounds_output:
            self.low = self.add_weight(name=_LOW, shape=(), initializer="zeros", trainable=False)
            self.high = self.add_weight(name=_HIGH, shape=(), initializer="zeros", trainable=False)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bits": self.bits, "rounds_output": self.rounds_output}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.rounded(super().call(inputs), training)

    def rounded(self, outputs: Any, training: bool | None) -> Any:
        """Round what the layer answers, where it is to be rounded; move its range first while it is trained."""
        if not self.rounds_output:
            return outputs
        if training or self.follows:
            # A range that was never measured begins with this batch.
            kept = ops.where(self.high > self.low, _MOMENTUM, 0.0)
            self.low.assign(kept * self.low + (1 - kept) * ops.minimum(ops.min(outputs), 0.0))
            self.high.assign(kept * self.high + (1 - kept) * ops.maximum(ops.max(outputs), 0.0))
        return round_activation(outputs, self.low, self.high, bits=self.bits)


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedConv2D(_Rounding, layers.Conv2D):  # type: ignore[misc]
    """A convolution whose kernel is rounded by output channel."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve with the rounded kernel."""
        return super().convolution_op(inputs, round_kernel(kernel, (0, 1, 2), bits=self.bits))


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedDepthwiseConv2D(_Rounding, layers.DepthwiseConv2D):  # type: ignore[misc]
    """A depthwise convolution whose kernel is rounded by channel."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Convolve with the rounded kernel."""
        x = ops.depthwise_conv(
            inputs,
            round_kernel(self.kernel, (0, 1), bits=self.bits),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        x = x + self.bias if self.use_bias else x
        return self.rounded(self.activation(x), training)


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedDense(_Rounding, layers.Dense):  # type: ignore[misc]
    """A dense layer whose kernel is rounded by output.

    The export centres the kernel of a last softmax layer before it is rounded; the softmax does not notice.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Multiply by the rounded kernel."""
        kernel = self.kernel
        if self.activation is keras.activations.softmax and self.use_bias:
            kernel = kernel - ops.mean(kernel, axis=1, keepdims=True)
        x = ops.matmul(inputs, round_kernel(kernel, (0,), bits=self.bits))
        x = x + self.bias if self.use_bias else x
        return self.rounded(self.activation(x), training)


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedBatchNormalization(_Rounding, layers.BatchNormalization):  # type: ignore[misc]
    """A batch normalization whose output is rounded."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize, and round."""
        return self.rounded(layers.BatchNormalization.call(self, inputs, training=training, mask=mask), training)


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedReLU(_Rounding, layers.ReLU):  # type: ignore[misc]
    """A rectifier whose output is rounded."""


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedActivation(_Rounding, layers.Activation):  # type: ignore[misc]
    """An activation whose output is rounded."""


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedAdd(_Rounding, layers.Add):  # type: ignore[misc]
    """A sum that is rounded."""


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedGlobalAveragePooling2D(_Rounding, layers.GlobalAveragePooling2D):  # type: ignore[misc]
    """A mean that is rounded."""


@keras.saving.register_keras_serializable("fmnist_edge")
class RoundedAveragePooling2D(_Rounding, layers.AveragePooling2D):  # type: ignore[misc]
    """Means that are rounded."""


_WITH_KERNEL = {
    layers.Conv2D: RoundedConv2D,
    layers.DepthwiseConv2D: RoundedDepthwiseConv2D,
    layers.Dense: RoundedDense,
}
_ROUNDED = {
    **_WITH_KERNEL,
    layers.BatchNormalization: RoundedBatchNormalization,
    layers.ReLU: RoundedReLU,
    layers.Activation: RoundedActivation,
    layers.Add: RoundedAdd,
    layers.GlobalAveragePooling2D: RoundedGlobalAveragePooling2D,
    layers.AveragePooling2D: RoundedAveragePooling2D,
}
_PLAIN = {rounded: kind for kind, rounded in _ROUNDED.items()}


def twin_of(model: keras.Model, pixels: npt.NDArray[Any], *, bits: int = BITS) -> keras.Model:
    """Return the twin of `model`, uncompiled, with the same weights; layers of other kinds stay what they are.

    Args:
        model: a plain model.
        pixels: training images ``(n, 28, 28)``, 0 to 255, that the ranges of the activations are measured on.
        bits: of weights and activations.
    """
    rounding = rounded_outputs(model)

    def clone(layer: layers.Layer) -> layers.Layer:
        kind, config = _ROUNDED.get(type(layer)), layer.get_config()
        rounds = id(layer) in rounding
        if kind is None or not (rounds or type(layer) in _WITH_KERNEL) or config.get("data_format") == "channels_first":
            return type(layer).from_config(config)
        return kind.from_config({**config, "bits": bits, "rounds_output": rounds})

    twin = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for variable, value in zip(_own_weights(twin), model.get_weights(), strict=True):
        variable.assign(value)
    _measure(twin, pixels[:MEASURED_IMAGES])
    return twin


def is_twin(model: keras.Model) -> bool:
    """Tell whether `model` rounds."""
    return any(isinstance(layer, _Rounding) for layer in _leaves(model))


def plain(model: keras.Model) -> keras.Model:
    """Return a copy of `model` with the same weights in layers that Keras has, uncompiled.

    An optimizer's moments would triple the file.
    """
    if not is_twin(model):
        return unfused(model)

    def clone(layer: layers.Layer) -> layers.Layer:
        kind, config = _PLAIN.get(type(layer)), layer.get_config()
        if kind is None:
            return type(layer).from_config(config)
        return kind.from_config({name: value for name, value in config.items() if name not in _OWN})

    bare = keras.models.clone_model(model, clone_function=clone, recursive=True)
    bare.set_weights([ops.convert_to_numpy(variable) for variable in _own_weights(model)])
    return bare


def begin_rounding(model: keras.Model, options: TrainOptions, pixels: npt.NDArray[Any]) -> keras.Model:
    """Return the twin of a compiled model, with an optimizer that goes on from where the model's stands.

    Args:
        model: a plain model that is being trained.
        options: of the training.
        pixels: see `twin_of`.
    """
    twin = twin_of(unfused(model), pixels)
    compile_model(twin, options)
    if model.optimizer.built:
        twin.optimizer.build(twin.trainable_variables)
        for ours, theirs in zip(twin.optimizer.variables, model.optimizer.variables, strict=True):
            ours.assign(theirs)
    return twin


def _leaves(model: keras.Model) -> Iterator[layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _own_weights(twin: keras.Model) -> list[Any]:
    """Return the variables that the plain model has, too, in its order: all but the ranges."""
    return [variable for variable in twin.weights if variable.name not in {_LOW, _HIGH}]


def _measure(twin: keras.Model, pixels: npt.NDArray[Any]) -> None:
    """Let the ranges begin with those of `pixels`, as the network answers when it is not trained."""
    rounding = [layer for layer in _leaves(twin) if isinstance(layer, _Rounding)]
    for layer in rounding:
        layer.follows = True
    twin(pixels[..., np.newaxis].astype(np.float32), training=False)
    for layer in rounding:
        layer.follows = False
