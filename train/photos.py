"""Training pictures made to look like garments cut out of phone photos.

The runtime finds a garment on a photo, cuts it out, and makes it 28 pixels high on black. What comes of that differs
from the dataset in three ways, and each is drawn at random here: the garment lies on a bed or hangs, tilted, folded,
its sleeves spread (`warp`); light and print are the photographer's and the owner's (`retone`); and the mask has holes,
or takes a piece of the floor along (`damage`). How strong each is was set by eye and by photos for development; none
of those photos is trained on.

Tones and masks here are float32 from 0 to 1, of shape ``(n, 28, 28, 1)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

_SIDE = 28
_MIDDLE = (_SIDE - 1) / 2
_GARMENT = 0.02
"""Tones above it belong to the garment; the dataset's background is 0."""
_GAIN = 3.0
"""Contrast is raised at most so many times, as in the runtime's views."""


@dataclass
class Draws:
    """Random numbers for a batch of pictures, each from a generator of its own, all from one seed.

    Attributes:
        count: pictures in the batch.
        seed: int32 ``(2,)``.
    """

    count: Any
    seed: Any
    _drawn: int = field(default=0, init=False)

    def _next(self) -> Any:
        self._drawn += 1
        return tf.random.fold_in(self.seed, self._drawn)

    def uniform(self, low: float, high: float) -> Any:
        """Draw one number a picture, float32 ``(n, 1, 1, 1)``."""
        return tf.random.stateless_uniform((self.count, 1, 1, 1), self._next(), low, high)

    def normal(self, mean: float, spread: float) -> Any:
        """Draw one number a picture, float32 ``(n, 1, 1, 1)``."""
        return tf.random.stateless_normal((self.count, 1, 1, 1), self._next(), mean, spread)

    def chance(self, share: float) -> Any:
        """Choose `share` of the pictures, bool ``(n, 1, 1, 1)``."""
        return self.uniform(0.0, 1.0) < share

    def noise(self) -> Any:
        """Draw one number a pixel, of mean 0 and spread 1."""
        return tf.random.stateless_normal((self.count, _SIDE, _SIDE, 1), self._next())

    def waves(self, knots: int, channels: int = 1) -> Any:
        """Draw smooth noise of spread 1 at `knots` x `knots` places, float32 ``(n, 28, 28, channels)``."""
        coarse = tf.random.stateless_normal((self.count, knots, knots, channels), self._next())
        return tf.image.resize(coarse, (_SIDE, _SIDE), method="bicubic")


def photo_like(pixels: Any, seed: Any, *, share: float) -> Any:
    """Make `share` of a batch look like garments cut out of photos.

    Args:
        pixels: float32 ``(n, 28, 28, 1)``, 0 to 255, background 0.
        seed: int32 ``(2,)``.
        share: 0 to 1.

    Returns:
        Pixels of the same shape and range.
    """
    draws = Draws(tf.shape(pixels)[0], seed)
    tones = pixels / 255.0
    tones, mask = warp(tones, _garment(tones), draws)
    toned = retone(tones / tf.maximum(mask, 0.05), mask, draws)
    made = tf.clip_by_value(toned, 1 / 255, 1.0) * damage(mask, draws)
    return tf.where(draws.chance(share), 255.0 * made, pixels)


def _garment(tones: Any) -> Any:
    """Mark the garment, dark stripes and gaps of up to two pixels included, as 1."""
    marked = tf.cast(tones > _GARMENT, tf.float32)
    grown = tf.nn.max_pool2d(marked, 3, 1, "SAME")
    return -tf.nn.max_pool2d(-grown, 3, 1, "SAME")


def warp(tones: Any, mask: Any, draws: Draws) -> tuple[Any, Any]:
    """Turn, stretch, slant, mirror and fold both alike; widen the lower end, as of trousers laid out."""
    along = tf.reshape(tf.range(_SIDE, dtype=tf.float32) - _MIDDLE, (1, 1, _SIDE, 1))
    down = tf.reshape(along, (1, _SIDE, 1, 1))
    angle = draws.normal(0.0, 0.12)
    width, height = tf.exp(draws.normal(-0.05, 0.15)), tf.exp(draws.normal(0.04, 0.08))
    slant, mirror = draws.normal(0.0, 0.06), tf.where(draws.chance(0.5), -1.0, 1.0)
    widening = 0.004 - tf.abs(draws.normal(0.0, 0.013))
    x = (tf.cos(angle) * along - tf.sin(angle) * down) * width * mirror * (1 + widening * down) + slant * down
    y = (tf.sin(angle) * along + tf.cos(angle) * down) * height
    folds = draws.waves(4, 2) * draws.uniform(0.0, 1.0)
    x = x + folds[..., :1] + draws.uniform(-1.0, 1.0)
    y = y + folds[..., 1:] + draws.uniform(-1.0, 1.0)
    moved = sample(tf.concat([tones, mask], axis=-1), x + _MIDDLE, y + _MIDDLE)
    return moved[..., :1], moved[..., 1:]


def sample(pictures: Any, x: Any, y: Any) -> Any:
    """Read pictures between their pixels, bilinearly; what is outside is 0.

    Args:
        pictures: float32 ``(n, side, side, channels)``.
        x: where each pixel of the result comes from, in pixels from the left, float32 ``(n, side, side, 1)``.
        y: likewise, from the top.
    """
    side, channels = pictures.shape[1], pictures.shape[-1]
    wide = side + 3  # one pixel of background before, two behind
    padded = tf.reshape(tf.pad(pictures, [[0, 0], [1, 2], [1, 2], [0, 0]]), (-1, wide * wide, channels))
    x, y = tf.clip_by_value(x + 1, 0.0, side + 1.0), tf.clip_by_value(y + 1, 0.0, side + 1.0)
    left, top = tf.floor(x), tf.floor(y)
    first = tf.cast(top * wide + left, tf.int32)

    def read(step: int) -> Any:
        places = tf.reshape(first + step, (-1, side * side))
        return tf.reshape(tf.gather(padded, places, batch_dims=1), (-1, side, side, channels))

    upper = (left + 1 - x) * read(0) + (x - left) * read(1)
    lower = (left + 1 - x) * read(wide) + (x - left) * read(wide + 1)
    return (top + 1 - y) * upper + (y - top) * lower


def retone(tones: Any, mask: Any, draws: Draws) -> Any:
    """Negate a quarter, bend all, give most another mean and spread, add light from one side, grain and prints."""
    tones = tf.clip_by_value(tf.where(draws.chance(0.25), 1 - tones, tones), 0.0, 1.0)
    tones = tones ** tf.exp(draws.normal(0.0, 0.4))
    area = tf.reduce_sum(mask, axis=(1, 2), keepdims=True) + 1e-3
    mean = tf.reduce_sum(tones * mask, axis=(1, 2), keepdims=True) / area
    variance = tf.reduce_sum(mask * (tones - mean) ** 2, axis=(1, 2), keepdims=True) / area
    gain = tf.minimum(draws.uniform(0.03, 0.3) / (tf.sqrt(variance) + 0.02), _GAIN)
    exposed = draws.uniform(0.25, 0.8) + (tones - mean) * gain
    tones = tf.where(draws.chance(0.4), tones, exposed)
    tones = tones + draws.waves(4) * draws.uniform(0.0, 0.1) + draws.noise() * draws.uniform(0.0, 0.04)
    printed = tf.cast((draws.waves(7) > 1.0) & draws.chance(0.3), tf.float32)
    return tones + printed * draws.normal(0.0, 0.35)


def damage(mask: Any, draws: Draws) -> Any:
    """Cut holes into a quarter of the masks, and let a quarter take a piece of what is beside the garment."""
    holes = (draws.waves(6) > 1.5) & draws.chance(0.25)
    mask = tf.where(holes, 0.0, mask)
    beside = tf.nn.max_pool2d(mask, 7, 1, "SAME")
    pieces = (draws.waves(5) > 1.3) & draws.chance(0.25)
    return tf.clip_by_value(tf.where(pieces, tf.maximum(mask, beside), mask), 0.0, 1.0)
