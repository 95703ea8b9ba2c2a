"""Connected regions of a mask, without OpenCV or SciPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def label_regions(mask: Mask) -> tuple[npt.NDArray[np.intp], int]:
    """Number the 4-connected regions of a mask, from 1 in reading order.

    Rows are cut into runs, and runs that touch one in the row above are joined: a few hundred steps for a picture,
    instead of one for each pixel.

    Returns:
        The number of each pixel's region, 0 outside, ``(h, w)``; and how many regions there are.

    >>> label_regions(np.array([[1, 0, 1], [1, 0, 1], [0, 0, 1]], bool))[0].tolist()
    [[1, 0, 2], [1, 0, 2], [0, 0, 2]]
    """
    width = mask.shape[1] + 1
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1).ravel()
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    roots = _join_runs(starts.tolist(), ends.tolist(), width)
    distinct, numbers = np.unique(np.array(roots, np.intp), return_inverse=True)
    labels = np.zeros(mask.shape, np.intp)
    labels[mask] = np.repeat(numbers + 1, ends - starts)  # runs lie in the order of the mask's pixels
    return labels, len(distinct)


def _join_runs(starts: list[int], ends: list[int], width: int) -> list[int]:
    """Return the first run of the region that each run belongs to; positions count through rows of `width`."""
    parents = list(range(len(starts)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = run = parents[parents[run]]
        return run

    above = 0
    for run, (start, end) in enumerate(zip(starts, ends, strict=True)):
        while ends[above] + width <= start:
            above += 1
        touching = above
        while touching < run and starts[touching] + width < end:
            first, second = sorted((root(touching), root(run)))
            parents[second] = first
            touching += 1
    return [root(run) for run in range(len(starts))]


def fill_holes(mask: Mask) -> Mask:
    """Return the mask with everything that it encloses.

    >>> fill_holes(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)).all()
    np.True_
    """
    labels, _ = label_regions(np.pad(~mask, 1, constant_values=True))
    filled: Mask = labels[1:-1, 1:-1] != 1  # the outside is the first region in reading order
    return filled
