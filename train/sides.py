"""Both sides of a picture: a network whose answer is the mean of those to the picture and to its mirror image.

Known as test-time augmentation by flipping (K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks",
arXiv 1409.1556, section 3.2). No weight is added, and the work doubles. The two pictures pass through one network as a
batch, so that an exporter finds that network, one-sided, within the other.
"""

from __future__ import annotations

import keras
from keras import ops

from .options import TrainOptions


def with_both_sides(model: keras.Model) -> keras.Model:
    """Return a model, uncompiled, that answers with the mean of what `model` says of both sides.

    Args:
        model: of pixels ``(n, 28, 28, 1)`` to probabilities ``(n, classes)``; shared, not copied.
    """
    classes = model.output_shape[1]
    pixels = keras.Input(model.input_shape[1:], name="pixels")
    both = ops.concatenate([pixels, ops.flip(pixels, axis=2)], axis=0)
    answers = ops.reshape(model(both), (2, -1, classes))
    return keras.Model(pixels, ops.mean(answers, axis=0), name=model.name)


def one_side(model: keras.Model) -> keras.Model:
    """Return the network that `with_both_sides` was given, or `model` itself where it looks at one side only."""
    inner = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    mirrors = any(type(operation).__name__ == "Flip" for operation in getattr(model, "operations", ()))
    return inner[0] if mirrors and len(inner) == 1 and isinstance(inner[0], keras.Model) else model


def as_finished(model: keras.Model, options: TrainOptions) -> keras.Model:
    """Return what a training with `options` ends with: `model`, or the same with both sides."""
    return with_both_sides(model) if options.both_sides else model
