"""The garment is trimmed, scaled, centred and toned as computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fmnist_edge.runtime.garment import Garment
from fmnist_edge.runtime.views import TONES, WIDTHS, Tone, views_of


def photo_of(width: int, height: int, *, tone: int = 100, background: int = 30) -> tuple[Image.Image, Garment]:
    """A garment of one tone on a photo of 112x112 pixels, its corner at (10, 5)."""
    photo = Image.new("RGB", (112, 112), (background,) * 3)
    photo.paste((tone,) * 3, (10, 5, 10 + width, 5 + height))
    mask = np.zeros((112, 112), bool)
    mask[5 : 5 + height, 10 : 10 + width] = True
    return photo, Garment(mask, found=True)


def widths_of(views: np.ndarray) -> list[int]:
    return [int(view.any(axis=0).sum()) for view in views]


def test_a_narrow_garment_fills_the_height_and_keeps_its_proportions() -> None:
    views = views_of(*photo_of(40, 80))
    assert views.shape == (2 * len(TONES), 28, 28)
    assert views.dtype == np.uint8
    assert widths_of(views) == [14] * 4
    assert np.flatnonzero(views[0].any(axis=0)).tolist() == list(range(7, 21))
    assert views[0].any(axis=1).all()


def test_a_wide_garment_is_squeezed_to_every_width_and_still_fills_the_height() -> None:
    views = views_of(*photo_of(100, 50))
    one_way = [width for width in WIDTHS for _ in TONES]
    assert widths_of(views) == one_way * 2
    assert views.any(axis=2).all()


def test_the_second_half_of_the_views_is_the_first_in_a_mirror() -> None:
    photo, garment = photo_of(60, 80)
    photo.paste((200, 200, 200), (10, 5, 30, 40))
    views = views_of(photo, garment)
    half = len(views) // 2
    assert np.array_equal(views[half:], views[:half, :, ::-1])
    assert not np.array_equal(views[half:], views[:half])


@pytest.mark.parametrize(
    ("tone", "natural", "dim"),
    [
        (100, 155, 140),  # 255 - 100, and the most that the dim tone allows
        (180, 75, 75),
        (250, 60, 60),  # a white garment would be all but black when negated
        (5, 200, 140),
    ],
)
def test_tones_are_negated_and_kept_within_those_of_the_dataset(tone: int, natural: int, dim: int) -> None:
    views = views_of(*photo_of(40, 80, tone=tone))
    assert (int(views[0, 14, 14]), int(views[1, 14, 14])) == (natural, dim)


def test_contrast_is_raised_to_the_least_spread_but_not_more_than_threefold() -> None:
    assert TONES[1] == Tone(mean=(60, 140), spread=(15, 50))
    for contrast, expected in ((2, 6), (10, 15), (30, 30), (80, 50)):
        photo, garment = photo_of(40, 80, tone=155 - contrast)
        photo.paste((155 + contrast,) * 3, (10, 5, 30, 85))  # the left half: mean 100, spread `contrast`
        view = views_of(photo, garment)[1].astype(int)
        assert view[14, 17] - view[14, 10] == pytest.approx(2 * expected, abs=1)


def test_the_background_is_black_whatever_it_was_and_does_not_tint_the_edges() -> None:
    dark, light = (views_of(*photo_of(40, 80, background=tone)) for tone in (0, 255))
    assert np.array_equal(dark, light)


def test_the_tones_are_weighted_by_cover_where_the_mask_is_coarser_than_the_photo() -> None:
    photo = Image.new("RGB", (224, 224), (100, 100, 100))
    mask = np.zeros((112, 112), bool)
    mask[20:100, 30:70] = True
    view = views_of(photo, Garment(mask, found=True))[0]
    assert view[1:-1, 8:20].tolist() == np.full((26, 12), 155).tolist()


def test_half_covered_pixels_have_the_garments_tone_and_half_its_light() -> None:
    mask = np.zeros((112, 112), bool)
    mask[20:101, 31:72] = True  # its edges fall between the pixels of the view
    dark, light = (
        views_of(Image.new("RGB", (224, 224), (tone,) * 3), Garment(mask, found=True))[0].astype(float)
        for tone in (100, 180)
    )
    assert (dark > 0).sum() > (dark == 155).sum()  # some are half covered
    assert dark / 155 == pytest.approx(light / 75, abs=1 / 75)
