"""Changed copies of training images, made on the fly: moved, mirrored, turned, shaded, erased, mixed, like photos.

Everything here works on whole batches inside TensorFlow's input pipeline. Every random number comes from the seed of
the batch alone, so that a batch is the same however often, and in whatever process, it is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from .options import TrainOptions
from .photos import photo_like

_SIDE = 28
_ERASED_SHARE = (0.02, 0.25)
"""Area of an erased rectangle, as a share of the picture."""
_ERASED_RATIO = (0.4, 2.5)
"""Height of an erased rectangle over its width."""


@dataclass(frozen=True)
class Augmentation:
    """How much training images are changed; the fields mean what they mean in `TrainOptions`."""

    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    shade: float = 0.0
    photo: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @classmethod
    def of(cls, options: TrainOptions) -> Augmentation:
        """Take what concerns augmentation from the options of a training."""
        return cls(**{name: getattr(options, name) for name in cls.__dataclass_fields__})

    @property
    def moves(self) -> bool:
        """Whether pixels move."""
        return bool(self.shift or self.flip or self.deforms)

    @property
    def deforms(self) -> bool:
        """Whether pixels move to places between pixels."""
        return bool(self.rotate or self.scale or self.shear)

    @property
    def mixes(self) -> bool:
        """Whether pictures of two classes are mixed, so that labels must be shares."""
        return bool(self.mixup or self.cutmix)

    def apply(self, pixels: Any, shares: Any, seed: Any) -> tuple[Any, Any]:
        """Change a batch.

        Args:
            pixels: float32 ``(n, 28, 28, 1)``, 0 to 255.
            shares: float32 ``(n, classes)``, how much of a picture belongs to which class; they sum to 1.
            seed: int32 ``(2,)``.

        Returns:
            Pixels and shares of the same shapes and ranges.
        """
        seeds = [tf.random.fold_in(seed, number) for number in range(6)]
        if self.photo:
            pixels = photo_like(pixels, seeds[5], share=self.photo)
        if self.moves:
            pixels = transform(pixels, self._transforms(tf.shape(pixels)[0], seeds[0]), smooth=self.deforms)
        if self.brightness or self.shade:
            pixels = light(pixels, self._lights(tf.shape(pixels)[0], seeds[1]))
        if self.erase:
            boxes = random_boxes(tf.shape(pixels)[0], seeds[2], probability=self.erase)
            pixels = erase(pixels, boxes, uniform([tf.shape(pixels)[0]], seeds[2], 99, 0.0, 255.0))
        if self.mixup:
            pixels, shares = mixup(pixels, shares, beta(tf.shape(pixels)[0], seeds[3], self.mixup))
        if self.cutmix:
            boxes = cut_boxes(tf.shape(pixels)[0], seeds[4], probability=self.cutmix)
            pixels, shares = cutmix(pixels, shares, boxes)
        return pixels, shares

    def _transforms(self, count: Any, seed: Any) -> Any:
        """Draw one affine transform for each picture, ``(count, 8)``, as `transform` takes it."""
        whole = float(self.shift)
        left = tf.floor(uniform([count], seed, 0, -whole, whole + 1))
        up = tf.floor(uniform([count], seed, 1, -whole, whole + 1))
        mirror = tf.where(uniform([count], seed, 2, 0.0, 1.0) < (0.5 if self.flip else 0.0), -1.0, 1.0)
        angle = uniform([count], seed, 3, -self.rotate, self.rotate) * (math.pi / 180)
        zoom = 1 + uniform([count], seed, 4, -self.scale, self.scale)
        slant = uniform([count], seed, 5, -self.shear, self.shear)
        cos, sin = tf.cos(angle) / zoom, tf.sin(angle) / zoom
        across, along = mirror * cos, mirror * (cos * slant - sin)
        down, upright = sin, cos + sin * slant
        return about_centre(across, along, left, down, upright, up)

    def _lights(self, count: Any, seed: Any) -> Any:
        """Draw how bright each picture is, and how that changes across it: ``(count, 3)``, as `light` takes it."""
        level = 1 + uniform([count], seed, 0, -self.brightness, self.brightness)
        strength = uniform([count], seed, 1, 0.0, self.shade)
        angle = uniform([count], seed, 2, 0.0, 2 * math.pi)
        return tf.stack([level, strength * tf.cos(angle), strength * tf.sin(angle)], axis=1)


def uniform(shape: Any, seed: Any, number: int, low: float, high: float) -> Any:
    """Draw float32 in ``[low, high)`` from the generator number `number` of `seed`."""
    return tf.random.stateless_uniform(shape, tf.random.fold_in(seed, number), low, high)


def about_centre(a: Any, b: Any, left: Any, c: Any, d: Any, up: Any) -> Any:
    """Complete affine transforms so that they turn about the middle of the picture.

    The output pixel at ``(x, y)``, seen from the middle, comes from ``(a x + b y + left, c x + d y + up)``.
    """
    middle = (_SIDE - 1) / 2
    zero = tf.zeros_like(a)
    x = middle - a * middle - b * middle + left
    y = middle - c * middle - d * middle + up
    return tf.stack([a, b, x, c, d, y, zero, zero], axis=1)


def transform(pixels: Any, transforms: Any, *, smooth: bool) -> Any:
    """Move pixels by one affine transform for each picture; what comes from outside is 0, the background.

    Args:
        pixels: float32 ``(n, height, width, 1)``.
        transforms: float32 ``(n, 8)``: output ``(x, y)`` comes from ``(a x + b y + c, d x + e y + f)``.
        smooth: interpolate between pixels; else take the nearest, which whole steps and mirroring need.
    """
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR" if smooth else "NEAREST",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, pixels.shape)


def light(pixels: Any, lights: Any) -> Any:
    """Multiply the brightness of each picture by a plane: its level, and its slopes down and across.

    Args:
        pixels: float32 ``(n, height, width, 1)``, 0 to 255.
        lights: float32 ``(n, 3)``: factor in the middle, what is added to it from the middle to the lower edge, and
            to the right edge.
    """
    height, width = pixels.shape[1], pixels.shape[2]
    down = tf.linspace(-1.0, 1.0, height)[tf.newaxis, :, tf.newaxis] * lights[:, 1, tf.newaxis, tf.newaxis]
    across = tf.linspace(-1.0, 1.0, width)[tf.newaxis, tf.newaxis, :] * lights[:, 2, tf.newaxis, tf.newaxis]
    factor = lights[:, 0, tf.newaxis, tf.newaxis] + down + across
    return tf.clip_by_value(pixels * factor[..., tf.newaxis], 0.0, 255.0)


def box_mask(boxes: Any, height: int, width: int) -> Any:
    """Mark the pixels of one rectangle for each picture.

    Args:
        boxes: float32 ``(n, 4)``: top, left, bottom, right; a pixel is inside when its centre is.
        height: of the pictures.
        width: of the pictures.

    Returns:
        bool ``(n, height, width, 1)``.
    """
    rows = tf.range(height, dtype=tf.float32)[tf.newaxis, :] + 0.5
    columns = tf.range(width, dtype=tf.float32)[tf.newaxis, :] + 0.5
    inside_rows = (rows >= boxes[:, 0:1]) & (rows < boxes[:, 2:3])
    inside_columns = (columns >= boxes[:, 1:2]) & (columns < boxes[:, 3:4])
    return (inside_rows[:, :, tf.newaxis] & inside_columns[:, tf.newaxis, :])[..., tf.newaxis]


def erase(pixels: Any, boxes: Any, values: Any) -> Any:
    """Paint one rectangle of each picture with one value.

    After Z. Zhong et al., "Random Erasing Data Augmentation", arXiv 1708.04896.

    Args:
        pixels: float32 ``(n, height, width, 1)``.
        boxes: as in `box_mask`.
        values: float32 ``(n,)``, 0 to 255.
    """
    mask = box_mask(boxes, pixels.shape[1], pixels.shape[2])
    return tf.where(mask, tf.reshape(values, [-1, 1, 1, 1]), pixels)


def random_boxes(count: Any, seed: Any, *, probability: float) -> Any:
    """Draw rectangles to erase, ``(count, 4)``; the share ``1 - probability`` of them is empty."""
    area = uniform([count], seed, 0, *_ERASED_SHARE) * _SIDE**2
    ratio = tf.exp(uniform([count], seed, 1, math.log(_ERASED_RATIO[0]), math.log(_ERASED_RATIO[1])))
    height = tf.minimum(tf.sqrt(area * ratio), _SIDE)
    width = tf.minimum(tf.sqrt(area / ratio), _SIDE)
    top = uniform([count], seed, 2, 0.0, 1.0) * (_SIDE - height)
    left = uniform([count], seed, 3, 0.0, 1.0) * (_SIDE - width)
    present = tf.cast(uniform([count], seed, 4, 0.0, 1.0) < probability, tf.float32)
    return tf.stack([top, left, top + height * present, left + width], axis=1)


def mixup(pixels: Any, shares: Any, weights: Any) -> tuple[Any, Any]:
    """Blend each picture, and its shares, with the next one of the batch.

    After H. Zhang et al., "mixup", arXiv 1710.09412.

    Args:
        pixels: float32 ``(n, height, width, 1)``.
        shares: float32 ``(n, classes)``.
        weights: float32 ``(n,)``, 0 to 1, how much each picture keeps of itself.
    """
    wide = tf.reshape(weights, [-1, 1, 1, 1])
    flat = tf.reshape(weights, [-1, 1])
    mixed = wide * pixels + (1 - wide) * tf.roll(pixels, -1, axis=0)
    return mixed, flat * shares + (1 - flat) * tf.roll(shares, -1, axis=0)


def cutmix(pixels: Any, shares: Any, boxes: Any) -> tuple[Any, Any]:
    """Paste one rectangle of the next picture of the batch into each, and share the labels by area.

    After S. Yun et al., "CutMix", arXiv 1905.04899.

    Args:
        pixels: float32 ``(n, height, width, 1)``.
        shares: float32 ``(n, classes)``.
        boxes: as in `box_mask`.
    """
    mask = box_mask(boxes, pixels.shape[1], pixels.shape[2])
    pasted = tf.reduce_mean(tf.cast(mask, tf.float32), axis=[1, 2])
    mixed = tf.where(mask, tf.roll(pixels, -1, axis=0), pixels)
    return mixed, (1 - pasted) * shares + pasted * tf.roll(shares, -1, axis=0)


def cut_boxes(count: Any, seed: Any, *, probability: float) -> Any:
    """Draw rectangles to paste, ``(count, 4)``, of any area alike; the share ``1 - probability`` of them is empty."""
    side = tf.sqrt(uniform([count], seed, 0, 0.0, 1.0)) * _SIDE
    top = uniform([count], seed, 1, 0.0, float(_SIDE)) - side / 2
    left = uniform([count], seed, 2, 0.0, float(_SIDE)) - side / 2
    present = tf.cast(uniform([count], seed, 3, 0.0, 1.0) < probability, tf.float32)
    return tf.stack([top, left, top + side * present, left + side], axis=1)


def beta(count: Any, seed: Any, concentration: float) -> Any:
    """Draw from the symmetric beta distribution, float32 ``(count,)``."""
    ones = tf.ones([count]) * concentration
    left = tf.random.stateless_gamma([count], tf.random.fold_in(seed, 0), ones)
    right = tf.random.stateless_gamma([count], tf.random.fold_in(seed, 1), ones)
    return left / tf.maximum(left + right, 1e-30)
