"""The input pipeline: batches of pixels and labels, made beside the training and not before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..dataset import LABELS, Split
from .augmentation import Augmentation
from .options import TrainOptions

_AHEAD = 4
"""Batches that are ready before the model asks for them."""


Asked = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""From pictures, uint8 ``(n, 28, 28)``, to what a teacher says of them, float32 ``(n, 10)``."""


def training_batches(
    split: Split, options: TrainOptions, *, epoch: int, taught: npt.NDArray[np.float32] | Asked | None
) -> tf.data.Dataset:
    """Batch the training images in an order, and with changes, that depend on seed and epoch alone.

    So a resumed run sees what an unbroken one would have seen.

    Args:
        split: the training images.
        options: of the training.
        epoch: counted from 1.
        taught: what is mixed into the labels: the teacher's answers to the images as they are, float32 ``(n, 10)``, or
            who is asked about them when they are changed; None where there is no teacher.

    Returns:
        Pairs of float32 pixels ``(n, 28, 28, 1)``, 0 to 255, and labels: int64 ``(n,)``, or float32 shares
        ``(n, 10)`` where the options share labels among classes.
    """
    order = np.random.default_rng([options.seed, epoch]).permutation(len(split))
    batches = plain_batches(split.take(order), options.batch_size)
    augmentation = Augmentation.of(options)
    if augmentation == Augmentation() and not options.shares_labels:
        return _ready(batches)
    asked = taught if callable(taught) else None
    shares = _shares(split, options, None if callable(taught) else taught)[order]
    batches = tf.data.Dataset.zip(batches, tf.data.Dataset.from_tensor_slices(shares).batch(options.batch_size))
    base = np.random.default_rng([options.seed, epoch, 1]).integers(2**31, size=2, dtype=np.int32)

    def change(number: Any, batch: tuple[tuple[Any, Any], Any]) -> tuple[Any, Any]:
        """Augment the batch of that number."""
        (pixels, labels), shares = batch
        pixels, shares = augmentation.apply(pixels, shares, tf.random.fold_in(base, tf.cast(number, tf.int32)))
        if asked is not None:
            shares = _mixed(shares, _ask(asked, pixels), options)
        return pixels, shares if options.shares_labels else labels

    return _ready(batches.enumerate().map(change, num_parallel_calls=2, deterministic=True))


def _shares(split: Split, options: TrainOptions, taught: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
    """Return how much of every picture belongs to which class, float32 ``(n, 10)``."""
    shares: npt.NDArray[np.float32] = np.asarray(spread(split.labels, options.label_smoothing))
    return shares if taught is None else _mixed(shares, taught, options)


def _mixed(shares: Any, answers: Any, options: TrainOptions) -> Any:
    return (1 - options.teacher_weight) * shares + options.teacher_weight * answers


def _ask(asked: Asked, pixels: Any) -> Any:
    """Ask about pixels, float32 ``(n, 28, 28, 1)``: in whole numbers, as every picture that a runner sees."""
    images = tf.saturate_cast(tf.round(pixels[..., 0]), tf.uint8)
    return tf.ensure_shape(tf.numpy_function(asked, [images], tf.float32, stateful=False), (None, len(LABELS)))


def plain_batches(split: Split, batch_size: int) -> tf.data.Dataset:
    """Batch `split` in its own order, as float32 pixels ``(n, 28, 28, 1)``, 0 to 255, with int64 labels ``(n,)``."""
    dataset = tf.data.Dataset.from_tensor_slices((split.images[..., np.newaxis], split.labels)).batch(batch_size)
    return dataset.map(lambda pixels, labels: (tf.cast(pixels, tf.float32), labels))


def validation_batches(split: Split, options: TrainOptions) -> tf.data.Dataset:
    """Batch the validation images as they are, with labels of the kind that the training has."""
    batches = plain_batches(split, 500)
    if options.shares_labels:
        batches = batches.map(lambda pixels, labels: (pixels, spread(labels, 0.0)))
    return _ready(batches)


def _ready(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Make batches before they are asked for, as many at once as is said here.

    TensorFlow would tune that while it runs, in a thread that sleeps for up to a minute, and the end of an epoch waits
    until that thread wakes up.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(_AHEAD).with_options(options)


def spread(labels: Any, smoothing: float) -> Any:
    """Turn labels ``(n,)`` into shares ``(n, 10)``: the class has ``1 - smoothing``, and `smoothing` is spread evenly.

    After C. Szegedy et al., "Rethinking the Inception Architecture", arXiv 1512.00567.
    """
    classes = len(LABELS)
    return tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
