"""From the garment on a photo to pictures like the dataset's: trimmed, 28 pixels high, centred, on black.

The dataset was made from product photos in seven steps (H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747, section 2):
trimmed, the longest edge scaled to 28, sharpened, centred on 28x28, negated, made grey. Three things differ here.

- The background is not white: what is not garment is made black by its mask, not by the negation.
- All of the dataset's clothes are 28 pixels high and seldom wider than 25, because its models let their arms hang. On a
  bed the sleeves are spread, and many garments are wider than high. So a garment is always made 28 high, and squeezed
  where it would be wider than one of `WIDTHS`.
- Exposure is the photographer's, and negated, white clothes on a photo are often brighter or darker than those of the
  dataset. So the mean and the spread of the garment's tones are moved, where they lie outside of one of `TONES`.

No one width and tone suits every garment. So there are several views, each also mirrored; the classifier takes their
average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from .colour import Floats
from .garment import Garment

SIDE = 28
WIDTHS = (28, 25, 22)
"""Largest width in pixels, in the views that decide."""
_GAIN = 3.0
"""Contrast is raised at most so many times: a plain garment shall stay plain."""


@dataclass(frozen=True)
class Tone:
    """Where the mean and the spread (standard deviation) of the garment's tones may lie, each from 0 to 255."""

    mean: tuple[float, float]
    spread: tuple[float, float]


TONES = (Tone(mean=(60, 200), spread=(0, 255)), Tone(mean=(60, 140), spread=(15, 50)))
"""As they are, but for extremes (eight in ten of the dataset's clothes have such a mean); and dim and even."""


def views_of(photo: Image.Image, garment: Garment) -> npt.NDArray[np.uint8]:
    """Return the garment in every width and tone, then all mirrored, uint8 ``(k, 28, 28)``, background 0."""
    box = _box(photo, garment)
    cover = np.asarray(Image.fromarray(garment.mask).convert("L").resize(photo.size), np.float32) / 255
    light = np.asarray(photo.convert("L"), np.float32) * cover  # so that no background bleeds in at the edges
    planes = Image.fromarray(light), Image.fromarray(cover)
    widths = sorted({min(_own_width(box), width) for width in WIDTHS}, reverse=True)
    trimmed = [_trim(*planes, box, width) for width in widths]
    views = np.stack([_retone(tones, share, tone) for tones, share in trimmed for tone in TONES])
    return np.concatenate([views, views[:, :, ::-1]])


Box = tuple[float, float, float, float]


def _box(photo: Image.Image, garment: Garment) -> Box:
    """Return the edges of the garment in pixels of the photo: left, top, right, bottom."""
    rows, columns = np.flatnonzero(garment.mask.any(axis=1)), np.flatnonzero(garment.mask.any(axis=0))
    height, width = garment.mask.shape
    x, y = photo.width / width, photo.height / height
    return float(columns[0] * x), float(rows[0] * y), float((columns[-1] + 1) * x), float((rows[-1] + 1) * y)


def _own_width(box: Box) -> int:
    """Return the width that belongs to a height of 28.

    >>> _own_width((10.0, 0.0, 30.0, 40.0))
    14
    """
    left, top, right, bottom = box
    return max(1, round((right - left) * SIDE / (bottom - top)))


def _trim(light: Image.Image, cover: Image.Image, box: Box, width: int) -> tuple[Floats, Floats]:
    """Return the grey tones in [0, 255] and the garment's share of each pixel, both float32 ``(28, 28)``."""
    left = (SIDE - width) // 2
    canvas = np.zeros((2, SIDE, SIDE), np.float32)
    for plane, image in zip(canvas, (light, cover), strict=True):
        plane[:, left : left + width] = np.asarray(image.resize((width, SIDE), Image.Resampling.BOX, box=box))
    return canvas[0] / np.maximum(canvas[1], np.float32(1e-3)), canvas[1]


def _retone(tones: Floats, cover: Floats, tone: Tone) -> npt.NDArray[np.uint8]:
    """Negate the tones and move those of the garment into `tone`; uint8 ``(28, 28)``, at least 1 inside.

    >>> whole = np.ones((2, 2), np.float32)
    >>> _retone(np.array([[255, 255], [245, 245]], np.float32), whole, Tone(mean=(60, 200), spread=(0, 255))).tolist()
    [[55, 55], [65, 65]]
    """
    inside = cover > 0.5
    own = 255 - (tones[inside] if inside.any() else tones)
    mean, spread = float(own.mean()), max(float(own.std()), 1e-3)
    gain = min(float(np.clip(spread, *tone.spread)) / spread, _GAIN)
    moved = np.clip(np.clip(mean, *tone.mean) + (255 - tones - mean) * gain, 1, 255)
    return np.asarray(moved * cover + 0.5, np.uint8)
