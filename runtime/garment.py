"""Find the garment on a photo: on a floor, a bed, a hanger, before a wall; the background need not be plain.

Nothing is known of either but where they tend to be: the garment in the middle, the background along the edges. From
that, two colour distributions are estimated and improved in turns, as in GrabCut (C. Rother, V. Kolmogorov, A. Blake,
ACM Transactions on Graphics 23, 2004): each pixel is judged by which of them its colour fits, and by its neighbours,
unless there is an edge between (the contrast term of Y. Boykov and M.-P. Jolly, ICCV 2001). Instead of graph cuts, mean
field iterations settle the neighbours' vote: array operations only, and a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .colour import ColourBins, Floats, lab_of_rgb
from .regions import Mask, fill_holes, label_regions

WORK_SIDE = 112
"""Longest side in pixels of the copy that is searched."""
_ROUNDS, _VOTES = 6, 10
_NEIGHBOURS = 1.2
"""Weight of the neighbours' vote against the colour's."""
_MIDDLE, _RIM = 0.5, 0.06
"""Spread of the garment's place around the middle, and of the background's at the edges, in half sides and sides."""
_ANCHOR = 0.2
"""Share of the background's colours that always comes from the edges."""
_BACKGROUND_INSIDE = 0.8
"""Share of the edges' colours that is taken off the middle's before the first round."""
_RARE = 2e-4
"""Share of a colour below which it says nothing."""
_LIMIT = 4.0
"""Largest log-odds that a colour alone may have."""
_SURELY = np.float32(1 + 1e-6)
"""A little more than the largest belief, so that weights are never all 0."""
_KEEP = 0.15
"""Regions of less than this share of the main one are dropped: buttons on the floor, sockets in the wall."""
_LEAST = 0.01
"""A garment takes at least this share of the photo."""
_BLUR = 3
"""How often the colours' bins are averaged with their neighbours (`ColourBins.density`)."""
_EVIDENCE = 0.8
"""Least mean log-odds of a garment's colours; they are 0 on a plain surface, where place alone decides."""


@dataclass(frozen=True)
class Garment:
    """Where the garment is.

    Attributes:
        mask: True where the garment is, bool ``(h, w)``, longest side `WORK_SIDE`.
        found: False where nothing stands out from the background by its colours, and `mask` is but a guess.
    """

    mask: Mask
    found: bool

    @classmethod
    def of_alpha(cls, clear: Image.Image) -> Garment | None:
        """Return what is opaque in a picture of mode RGBA, or None where next to nothing, or all of it, is opaque."""
        alpha = clear.getchannel("A")
        alpha.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.BOX)
        mask = np.asarray(alpha) > 127
        return cls(mask, found=True) if _LEAST <= mask.mean() <= 1 - _LEAST else None


def find_garment(photo: Image.Image) -> Garment:
    """Find the garment on a photo of mode RGB."""
    scale = WORK_SIDE / max(photo.size)
    size = max(8, round(photo.width * scale)), max(8, round(photo.height * scale))
    lab = _soften(lab_of_rgb(np.asarray(photo.resize(size, Image.Resampling.BOX))))
    belief, odds = _separate(lab)
    mask = _main_region(belief > 0)
    if mask.mean() < _LEAST:
        return Garment(np.ones_like(mask), found=False)
    return Garment(mask, found=bool(odds[mask].mean() >= _EVIDENCE))


def _separate(lab: Floats) -> tuple[Floats, Floats]:
    """Tell garment from background.

    Returns:
        How much each pixel belongs to the garment, 1 surely, -1 surely not; and the log-odds of its colour alone; both
        float32 ``(h, w)``.
    """
    middle, rim = _places(*lab.shape[:2])
    place = np.clip(np.log((middle + np.float32(0.02)) / (rim + np.float32(0.08))), -3, 1.5)
    colours, ballot = ColourBins(lab), _Ballot(lab)
    inside: Floats = middle * (1 - rim)
    outside: Floats = rim
    belief = odds = np.zeros_like(middle)
    for turn in range(_ROUNDS):
        blur = _BLUR if turn else _BLUR + 1  # the first guess is the coarsest
        own = colours.density(inside, blur=blur)
        other = colours.density(_mix(outside, rim, _ANCHOR), blur=blur)
        if not turn:
            own = _without(own, other)
        odds = np.clip(np.log((own + _RARE) / (other + _RARE)), -_LIMIT, _LIMIT)
        belief = ballot.settle(odds, place * np.float32((0.7, 0.5, 0.3)[min(turn, 2)]))
        inside, outside = (belief + _SURELY) * (1 - rim), _SURELY - belief
    return belief, odds


def _without(own: Floats, other: Floats) -> Floats:
    """Take the background's colours off the densities of the middle, which shows both."""
    rest: Floats = np.maximum(own - other * np.float32(_BACKGROUND_INSIDE), 0)
    return rest / np.float32(1 - _BACKGROUND_INSIDE / 2)


def _mix(first: Floats, second: Floats, share: float) -> Floats:
    """Return weights of which `share` lies on `second` and the rest on `first`."""
    mixed: Floats = first * np.float32((1 - share) / float(first.sum())) + second * np.float32(
        share / float(second.sum())
    )
    return mixed


def _places(height: int, width: int) -> tuple[Floats, Floats]:
    """Return how likely the garment (a bell in the middle) and the background (a rim) are by place alone."""
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, np.newaxis], np.linspace(-1, 1, width, dtype=np.float32)
    rows, columns = np.arange(height)[:, np.newaxis], np.arange(width)
    to_edge = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns))
    middle = np.exp(-(y**2 + x**2) / (2 * _MIDDLE**2))
    return middle, np.exp(-to_edge / np.float32(_RIM * min(height, width))).astype(np.float32)


def _soften(lab: Floats) -> Floats:
    """Average each pixel with its eight neighbours, weights 1, 2, 1 in both directions: weave is no edge."""
    padded = np.pad(lab, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    softened: Floats = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    return softened


class _Ballot:
    """Neighbours vote for what a pixel is, the less the more their colours differ.

    The picture lies in one row, one column of padding behind each line, so that each of the four kinds of neighbour (to
    the right, below, and the diagonals) is a constant step away and every operation runs over contiguous memory.
    """

    def __init__(self, lab: Floats) -> None:
        self._height, self._width = lab.shape[:2]
        row = self._width + 1
        flat = self._flatten(lab)
        inside = self._flatten(np.ones(lab.shape[:2], np.float32))
        steps = (1, row, row + 1, row - 1)
        contrasts = [np.square(flat[step:] - flat[:-step]).sum(axis=1) for step in steps]
        valid = [inside[step:] * inside[:-step] for step in steps]
        mean = sum(float(c @ v) for c, v in zip(contrasts, valid, strict=True)) / sum(float(v.sum()) for v in valid)
        lengths = (1.0, 1.0, 2**0.5, 2**0.5)
        scale = np.float32(-1 / (2 * mean + 1e-6))
        self._weights = [
            (step, v * np.exp(scale * c) * np.float32(2 * _NEIGHBOURS / length))
            for step, c, v, length in zip(steps, contrasts, valid, lengths, strict=True)
        ]

    def settle(self, odds: Floats, place: Floats) -> Floats:
        """Return the belief, float32 ``(h, w)`` in [-1, 1], at which each pixel agrees with its neighbours.

        Args:
            odds: of each pixel by its colour, float32 ``(h, w)``.
            place: of each pixel by its place, likewise.
        """
        own = self._flatten(odds + place)
        belief = np.tanh(own / 2)
        for _ in range(_VOTES):
            votes = own.copy()
            for step, weight in self._weights:
                votes[:-step] += weight * belief[step:]
                votes[step:] += weight * belief[:-step]
            belief = np.tanh(votes / 2)
        return belief.reshape(self._height, -1)[:, : self._width]

    @staticmethod
    def _flatten(values: Floats) -> Floats:
        padding = ((0, 0), (0, 1), *((0, 0),) * (values.ndim - 2))
        return np.pad(values, padding).astype(np.float32).reshape(-1, *values.shape[2:])


def _main_region(mask: Mask) -> Mask:
    """Keep the region that fills most of the middle, and those near its size; fill what it encloses."""
    labels, count = label_regions(mask)
    if not count:
        return mask
    weight = np.bincount(labels.ravel(), _places(*mask.shape)[0].ravel(), minlength=count + 1)
    weight[0] = 0
    return fill_holes(np.isin(labels, np.flatnonzero(weight > _KEEP * weight.max())))
