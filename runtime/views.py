"""From the garment on a photo to pictures like the dataset's: trimmed, 28 pixels high, centred, on black.

The dataset was made from product photos in seven steps (H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747, section 2):
trimmed, the longest edge scaled to 28, sharpened, centred on 28x28, negated, made grey. Three things differ here.

- The background is not white: what is not garment is made black by its mask, not by the negation.
- All of the dataset's clothes are 28 pixels high, because its models let their arms hang. On a bed the sleeves are
  spread, and a garment is often wider than high: it is squeezed to 28 pixels in width instead of being made low.
- Exposure and light are the photographer's: the tones of the garment get a mean and a spread of the dataset's. No one
  choice suits every garment, so there are several views, each also mirrored; the classifier takes their average.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from .colour import Floats
from .garment import Garment

SIDE = 28
TONES = ((100, 40), (70, 30), (150, 45))
"""Mean and spread of the garment's tones in each view."""
_GAIN = 3.0
"""Contrast is raised at most so many times: a plain garment shall stay plain."""


def views_of(photo: Image.Image, garment: Garment) -> npt.NDArray[np.uint8]:
    """Return the garment in every tone, and the same mirrored, uint8 ``(2 * len(TONES), 28, 28)``, background 0."""
    tones, cover = _trim(photo, garment)
    views = np.stack([_retone(tones, cover, mean, spread) for mean, spread in TONES])
    return np.concatenate([views, views[:, :, ::-1]])


def _trim(photo: Image.Image, garment: Garment) -> tuple[Floats, Floats]:
    """Return the grey tones in [0, 255] and the garment's share of each pixel, both float32 ``(28, 28)``."""
    rows, columns = np.flatnonzero(garment.mask.any(axis=1)), np.flatnonzero(garment.mask.any(axis=0))
    height, width = len(garment.mask), len(garment.mask[0])
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    x, y = photo.width / width, photo.height / height
    box = left * x, top * y, right * x, bottom * y
    target = min(SIDE, max(1, round((box[2] - box[0]) * SIDE / (box[3] - box[1])))), SIDE
    cover = np.asarray(Image.fromarray(garment.mask).convert("L").resize(photo.size), np.float32) / 255
    light = np.asarray(photo.convert("L"), np.float32) * cover
    shrunk = [
        np.asarray(Image.fromarray(plane).resize(target, Image.Resampling.BOX, box=box)) for plane in (light, cover)
    ]
    margin = (SIDE - target[0]) // 2
    canvas = np.zeros((2, SIDE, SIDE), np.float32)
    canvas[:, :, margin : margin + target[0]] = shrunk
    return canvas[0] / np.maximum(canvas[1], 1e-3), canvas[1]


def _retone(tones: Floats, cover: Floats, mean: float, spread: float) -> npt.NDArray[np.uint8]:
    """Negate the tones and move those of the garment to `mean` and `spread`; uint8 ``(28, 28)``, at least 1 inside."""
    inside = cover > 0.5
    own = tones[inside] if inside.any() else tones
    gain = min(spread / max(float(own.std()), 1e-3), _GAIN)
    moved = np.clip(mean + (own.mean() - tones) * gain, 1, 255)
    return np.asarray(moved * cover + 0.5, np.uint8)
