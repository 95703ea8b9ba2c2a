"""Regions are numbered and filled as SciPy does it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fmnist_edge.runtime.regions import fill_holes, label_regions


@pytest.mark.parametrize("density", [0.0, 0.2, 0.5, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (23, 41)])
def test_regions_are_those_of_scipy(shape: tuple[int, int], density: float) -> None:
    for seed in range(20):
        mask = np.random.default_rng(seed).random(shape) < density
        labels, count = label_regions(mask)
        expected, expected_count = ndimage.label(mask)
        assert count == expected_count
        assert np.array_equal(labels, expected)
        assert np.array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_a_spiral_is_one_region() -> None:
    spiral = ["1111111", "0000001", "1111101", "1000101", "1011101", "1000001", "1111111"]
    mask = np.array([[character == "1" for character in line] for line in spiral])
    assert label_regions(mask)[1] == 1
    assert label_regions(~mask)[1] == 1
