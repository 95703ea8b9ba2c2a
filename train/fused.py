"""Training faster: layers that compute what Keras' own do in fewer passes over memory, in half of the bytes if wished.

Keras takes a batch normalization apart into some ten operations, each of which reads and writes all activations.
TensorFlow has one kernel for all of it, forwards and backwards. A model is trained with that kernel, under the weights
and names it has anyway, and turned back into a plain one before it is saved. On processors with bfloat16 units (Intel's
AMX, recent GPUs) the layers may compute in that type; weights, statistics and the softmax stay float32. After P.
Micikevicius et al., "Mixed Precision Training", arXiv 1710.03740.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from .options import Precision

_POLICIES: dict[Precision, str] = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""``auto`` is decided before (`precision`)."""


@keras.saving.register_keras_serializable("fmnist_edge")
class FusedBatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """A batch normalization that is one operation in training, where it is over the channels of pictures."""

    def add_weight(self, *arguments: Any, **options: Any) -> Any:
        """Add a weight that stays float32: the kernel wants scales and statistics so, whatever the activations are."""
        return super().add_weight(*arguments, **{**options, "autocast": False})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize by the batch, and move the running statistics; else what Keras does."""
        fits = inputs.shape.rank == 4 and self.axis in {-1, 3} and mask is None
        if not (training and self.trainable and fits and self.scale and self.center and not self.renorm):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, self.compute_dtype),
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance * (count - 1) / count)  # the kernel's is that of a sample
        return outputs

    def _follow(self, average: Any, value: Any) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))


@keras.saving.register_keras_serializable("fmnist_edge")
class FusedDepthwiseConv2D(layers.DepthwiseConv2D):  # type: ignore[misc]
    """A depthwise convolution that is a weighted sum, where its kernel is as large as the picture.

    The gradient of such a convolution for its kernel takes many times as long as that of the sum.
    """

    def call(self, inputs: Any) -> Any:
        """Sum over all places, in float32; else what Keras does."""
        whole = tuple(inputs.shape[1:3]) == tuple(self.kernel_size) and self.padding == "valid"
        if not (whole and self.depth_multiplier == 1 and self.data_format == "channels_last"):
            return super().call(inputs)
        products = tf.cast(inputs, tf.float32) * tf.cast(self.kernel, tf.float32)[..., 0]
        x = tf.cast(tf.reduce_sum(products, axis=[1, 2], keepdims=True), self.compute_dtype)
        return self.activation(x + self.bias if self.use_bias else x)


_FUSED = {layers.BatchNormalization: FusedBatchNormalization, layers.DepthwiseConv2D: FusedDepthwiseConv2D}
_PLAIN = {fused: kind for kind, fused in _FUSED.items()}


def fused(model: keras.Model, precision: Precision) -> keras.Model:
    """Return a copy of `model` to train with, uncompiled, with the same weights; other layers stay what they are.

    Args:
        model: a plain model.
        precision: what all layers but the last compute in.
    """
    return _copy(model, _FUSED, _POLICIES[precision])


def unfused(model: keras.Model) -> keras.Model:
    """Return a copy of `model` with the same weights in layers that Keras has, in float32, uncompiled.

    An optimizer's moments would triple the file.
    """
    return _copy(model, _PLAIN, _POLICIES["float32"])


def _copy(model: keras.Model, kinds: dict[Any, Any], policy: str) -> keras.Model:
    last = model.layers[-1]

    def clone(layer: layers.Layer) -> layers.Layer:
        kind, config = kinds.get(type(layer), type(layer)), layer.get_config()
        if layer is not last and layer.dtype_policy.name in _POLICIES.values():
            config["dtype"] = policy
        return kind.from_config(config)

    cloned = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy = type(cloned).from_config(cloned.get_config())  # a clone of a compiled model has its optimizer
    copy.set_weights(model.get_weights())
    return copy
