"""Colours as people see them: CIE L*a*b*, and how often each one occurs."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
_LIGHT_STEP, _LIGHT_BINS = 7.0, 15
_CHROMA_STEP, _CHROMA_BINS = 6.0, 20


@functools.cache
def _linear_light() -> Floats:
    """Return the light that each of the 256 sRGB values stands for (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def lab_of_rgb(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Map sRGB, uint8 ``(h, w, 3)``, to L* in [0, 100], a* and b*, float32 ``(h, w, 3)`` (CIE 15, white D65).

    >>> lab_of_rgb(np.array([[[255, 255, 255], [255, 0, 0]]], np.uint8)).round().tolist()
    [[[100.0, 0.0, 0.0], [53.0, 80.0, 67.0]]]
    """
    xyz = _linear_light()[pixels] @ (_TO_XYZ / _WHITE[:, np.newaxis]).T.astype(np.float32)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * np.float32(841 / 108) + np.float32(4 / 29))
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    lowest = np.array([0, -128, -128], np.float32)
    clipped: Floats = np.maximum(lab, lowest) + np.float32(0)  # no -0.0
    return clipped


class ColourBins:
    """The colours of one picture in coarse bins, to say how common each pixel's colour is in a part of it.

    Args:
        lab: float32 ``(h, w, 3)``, of `lab_of_rgb`.
    """

    def __init__(self, lab: Floats) -> None:
        light = np.clip(lab[..., 0] / _LIGHT_STEP, 0, _LIGHT_BINS - 1).astype(np.intp)
        chroma = np.clip(lab[..., 1:] / _CHROMA_STEP + _CHROMA_BINS / 2, 0, _CHROMA_BINS - 1).astype(np.intp)
        self._bins = (light * _CHROMA_BINS + chroma[..., 0]) * _CHROMA_BINS + chroma[..., 1]

    def density(self, weights: Floats, *, blur: int) -> Floats:
        """Return the share that each pixel's colour has in the pixels as weighted, float32 ``(h, w)``.

        Args:
            weights: how much each pixel counts, float32 ``(h, w)``, not all 0.
            blur: how often the bins are averaged with their neighbours, weights 1, 2, 1.
        """
        count = np.bincount(self._bins.ravel(), weights.ravel(), minlength=_LIGHT_BINS * _CHROMA_BINS**2)
        cube = count.astype(np.float32).reshape(_LIGHT_BINS, _CHROMA_BINS, _CHROMA_BINS)
        light, chroma = _blur_matrix(_LIGHT_BINS, blur), _blur_matrix(_CHROMA_BINS, blur)
        smooth = chroma @ np.tensordot(light, cube, axes=1) @ chroma.T
        density: Floats = (smooth / smooth.sum()).ravel()[self._bins]
        return density


@functools.cache
def _blur_matrix(size: int, times: int) -> Floats:
    """Return the matrix that averages neighbours with weights 1, 2, 1, `times` times, float32 ``(size, size)``."""
    once = (2 * np.eye(size) + np.eye(size, k=1) + np.eye(size, k=-1)) / 4
    once[0, 0] = once[-1, -1] = 0.75
    return np.linalg.matrix_power(once, times).astype(np.float32)
