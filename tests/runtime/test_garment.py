"""The garment is found on real photos and on made ones of which every pixel is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fmnist_edge.runtime.garment import WORK_SIDE, Garment, find_garment

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
BOXES = {  # left, top, right, bottom in shares of the photo, read off a grid by eye
    "t-shirt-025": (0.00, 0.10, 0.98, 0.81),
    "t-shirt-010": (0.04, 0.16, 0.98, 0.84),
    "pants-017": (0.14, 0.08, 0.91, 0.91),
    "pants-045": (0.22, 0.03, 0.76, 0.76),
    "longsleeve-014": (0.07, 0.10, 0.93, 0.86),
    "dress-001": (0.19, 0.09, 0.79, 0.77),
    "shirt-024": (0.07, 0.09, 0.92, 0.71),
    "hat-012": (0.20, 0.20, 0.84, 0.84),
    "skirt-005": (0.05, 0.24, 0.97, 0.85),
}
BETWEEN_THE_LEGS = {"pants-017": (0.50, 0.75), "pants-045": (0.47, 0.55)}


def find(name: str) -> Garment:
    with Image.open(PHOTOS / f"{name}.jpg") as photo:
        return find_garment(photo.convert("RGB"))


def box_of(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the edges of a mask in shares of its sides."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


@pytest.mark.parametrize("name", BOXES)
def test_a_real_garment_is_found_to_its_edges(name: str) -> None:
    garment = find(name)
    assert garment.found
    assert max(garment.mask.shape) == WORK_SIDE
    assert box_of(garment.mask) == pytest.approx(BOXES[name], abs=0.045)


@pytest.mark.parametrize("name", BETWEEN_THE_LEGS)
def test_what_shows_between_the_legs_is_background(name: str) -> None:
    mask = find(name).mask
    x, y = BETWEEN_THE_LEGS[name]
    assert not mask[int(y * mask.shape[0]), int(x * mask.shape[1])]


def test_a_print_belongs_to_the_garment_and_the_carpet_does_not() -> None:
    mask = find("t-shirt-025").mask
    height, width = mask.shape
    assert mask[int(0.32 * height), int(0.48 * width)]  # white, in the middle of red
    assert not mask[int(0.9 * height), : int(0.9 * width)].any()  # a carpet as dark and as light as anything


def scene(
    *, garment: tuple[int, int, int], background: tuple[int, int, int], noise: float = 0, gradient: float = 0
) -> Image.Image:
    """A T of known pixels, on a background with grain, and light that falls off from left to right."""
    pixels = np.empty((160, 120, 3), np.float32)
    pixels[:] = background
    pixels[known_mask()] = garment
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape)
    pixels *= np.linspace(1, 1 - gradient, 120)[np.newaxis, :, np.newaxis]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def known_mask() -> npt.NDArray[np.bool_]:
    mask = np.zeros((160, 120), bool)
    mask[30:60, 15:105] = True
    mask[30:130, 40:80] = True
    return mask


def overlap_with_known(mask: npt.NDArray[np.bool_]) -> float:
    """Return the intersection of a mask and the known one over their union."""
    truth = np.asarray(Image.fromarray(known_mask()).convert("L").resize(mask.shape[::-1])) > 127
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.mark.parametrize(
    "picture",
    [
        scene(garment=(20, 20, 20), background=(250, 250, 250)),
        scene(garment=(235, 235, 235), background=(120, 60, 30), noise=12),
        scene(garment=(30, 30, 120), background=(190, 170, 140), noise=20, gradient=0.4),
        scene(garment=(90, 130, 90), background=(130, 90, 90), noise=8),  # as light as its background
    ],
    ids=["dark on white", "white on wood", "grain and a fall of light", "colour alone"],
)
def test_a_known_shape_is_found_nearly_to_the_pixel(picture: Image.Image) -> None:
    garment = find_garment(picture)
    assert garment.found
    assert overlap_with_known(garment.mask) > 0.9  # one pixel around a narrow T is 8%


def test_neighbours_settle_what_grain_hides() -> None:
    grainy = scene(garment=(70, 90, 110), background=(140, 130, 110), noise=50)
    assert overlap_with_known(find_garment(grainy).mask) > 0.94


def test_thin_trousers_in_the_middle_of_much_floor_are_told_from_it() -> None:
    pixels = np.full((160, 120, 3), (170, 150, 120), np.float32)
    for legs in ((slice(40, 130), slice(52, 58)), (slice(40, 130), slice(66, 72)), (slice(40, 50), slice(52, 72))):
        pixels[legs] = (60, 90, 70)
    truth = pixels[:, :, 0] == 60
    pixels += np.random.default_rng(0).normal(0, 10, pixels.shape)
    mask = find_garment(Image.fromarray(pixels.clip(0, 255).astype(np.uint8))).mask
    assert mask.mean() < 1.3 * truth.mean()  # half a pixel more on every side


@pytest.mark.parametrize("noise", [0, 5, 60])
def test_on_a_picture_of_nothing_nothing_is_found(noise: float) -> None:
    assert not find_garment(scene(garment=(120, 120, 120), background=(120, 120, 120), noise=noise)).found


def test_crumbs_are_dropped_and_what_the_garment_encloses_is_kept() -> None:
    picture = scene(garment=(20, 20, 20), background=(250, 250, 250))
    picture.paste((20, 20, 20), (4, 140, 12, 148))
    picture.paste((250, 250, 250), (55, 70, 65, 90))
    mask = find_garment(picture).mask
    height, width = mask.shape
    assert not mask[int(144 / 160 * height), int(8 / 120 * width)]
    assert mask[int(80 / 160 * height), int(60 / 120 * width)]


@pytest.mark.parametrize("size", [(8, 8), (8, 300), (300, 8), (9, 14)])
def test_small_and_narrow_pictures_are_no_trouble(size: tuple[int, int]) -> None:
    mask = find_garment(Image.new("RGB", size, "navy")).mask
    assert mask.any()


def test_what_is_opaque_is_the_garment() -> None:
    clear = Image.new("RGBA", (224, 112), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (56, 28, 168, 84))
    garment = Garment.of_alpha(clear)
    assert garment is not None
    assert garment.mask.shape == (56, 112)
    assert box_of(garment.mask) == (0.25, 0.25, 0.75, 0.75)
    assert Garment.of_alpha(Image.new("RGBA", (20, 20), (9, 9, 9, 255))) is None
    assert Garment.of_alpha(Image.new("RGBA", (20, 20), (9, 9, 9, 0))) is None
