"""Colours are those of CIE L*a*b*, and their shares add up."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_edge.runtime.colour import ColourBins, lab_of_rgb

KNOWN = {  # from the definitions (IEC 61966-2-1, CIE 15) for sRGB and D65
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (119, 119, 119): (50.03, 0.0, 0.0),
    (3, 3, 3): (0.82, 0.0, 0.0),
}


@pytest.mark.parametrize(("rgb", "lab"), KNOWN.items())
def test_known_colours(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    assert lab_of_rgb(np.array([[rgb]], np.uint8))[0, 0].tolist() == pytest.approx(lab, abs=0.03)


def test_densities_without_blur_are_shares_of_the_weights() -> None:
    colours = np.array([[(200, 0, 0), (200, 0, 0), (0, 0, 200), (0, 200, 0)]], np.uint8)
    density = ColourBins(lab_of_rgb(colours)).density(np.array([[1, 1, 1, 0]], np.float32), blur=0)
    assert density.tolist() == [pytest.approx([2 / 3, 2 / 3, 1 / 3, 0])]


def test_blur_lends_a_colour_to_its_neighbours_and_not_to_strangers() -> None:
    colours = np.array([[(100, 100, 100), (110, 108, 106), (0, 0, 255)]], np.uint8)
    near, same, far = ColourBins(lab_of_rgb(colours)).density(np.array([[0, 1, 0]], np.float32), blur=2)[0].tolist()
    assert 0 < near < 1
    assert same > near / 2
    assert far == 0
