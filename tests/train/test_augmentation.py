"""Changed copies of pictures: against arrays changed by hand, repeatable by seed, and within their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from fmnist_edge.dataset import Split, load_split
from fmnist_edge.train.augmentation import (
    Augmentation,
    about_centre,
    beta,
    box_mask,
    cut_boxes,
    cutmix,
    erase,
    light,
    mixup,
    random_boxes,
    transform,
)
from fmnist_edge.train.options import TrainOptions

SEED = tf.constant([3, 4])
Array = npt.NDArray[np.float32]


def picture(rows: list[list[float]]) -> Array:
    return np.array(rows, np.float32)[np.newaxis, :, :, np.newaxis]


def rows(pixels: Any) -> list[list[float]]:
    values: list[list[float]] = np.asarray(pixels)[0, :, :, 0].tolist()
    return values


@pytest.fixture(scope="module")
def real() -> Split:
    return load_split("validation").first(64)


def batch(split: Split) -> tuple[Array, Array]:
    return split.images[..., np.newaxis].astype(np.float32), np.eye(10, dtype=np.float32)[split.labels]


def whole(**values: float) -> Any:
    """One transform about the middle of 28 x 28: by default nothing moves."""
    names = {"a": 1.0, "b": 0.0, "left": 0.0, "c": 0.0, "d": 1.0, "up": 0.0, **values}
    return about_centre(*(tf.constant([names[name]]) for name in ("a", "b", "left", "c", "d", "up")))


# --- each change by hand -------------------------------------------------------------------------------------------


def test_a_transform_says_where_each_output_pixel_comes_from() -> None:
    pixels = picture([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    one_left = tf.constant([[1.0, 0, 1, 0, 1, 0, 0, 0]])
    assert rows(transform(pixels, one_left, smooth=False)) == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    two_down = tf.constant([[1.0, 0, 0, 0, 1, -2, 0, 0]])
    assert rows(transform(pixels, two_down, smooth=False)) == [[0, 0, 0], [0, 0, 0], [1, 2, 3]]
    half_left = tf.constant([[1.0, 0, 0.5, 0, 1, 0, 0, 0]])
    assert rows(transform(pixels, half_left, smooth=True)) == [[1.5, 2.5, 1.5], [4.5, 5.5, 3], [7.5, 8.5, 4.5]]


def test_mirroring_and_quarter_turns_about_the_middle_are_exact(real: Split) -> None:
    pixels, _ = batch(real.first(1))
    image = real.images[0]
    assert np.array_equal(transform(pixels, whole(), smooth=False)[0, ..., 0], image)
    assert np.array_equal(transform(pixels, whole(a=-1.0), smooth=False)[0, ..., 0], image[:, ::-1])
    quarter = transform(pixels, whole(a=0.0, b=-1.0, c=1.0, d=0.0), smooth=False)[0, ..., 0]
    assert np.array_equal(quarter, np.rot90(image))  # in from (-y, x)


def test_light_is_a_plane_over_the_picture() -> None:
    pixels = picture([[100, 100, 100], [100, 100, 100], [100, 100, 0]])
    assert rows(light(pixels, tf.constant([[1.0, 0.5, 0.0]]))) == [[50, 50, 50], [100, 100, 100], [150, 150, 0]]
    assert rows(light(pixels, tf.constant([[1.0, 0.0, -0.25]]))) == [[125, 100, 75], [125, 100, 75], [125, 100, 0]]
    assert rows(light(pixels, tf.constant([[3.0, 0.0, 0.0]])))[0] == [255, 255, 255]


def test_a_rectangle_covers_the_pixels_whose_centres_it_covers() -> None:
    boxes = tf.constant([[0.5, 1.0, 2.0, 2.6], [0.0, 0.0, 0.0, 3.0]])
    mask = np.asarray(box_mask(boxes, 3, 3))[..., 0].astype(int)
    assert mask[0].tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]
    assert mask[1].sum() == 0


def test_erasing_paints_the_rectangle_and_nothing_else() -> None:
    pixels = np.concatenate([picture([[1, 2], [3, 4]]), picture([[5, 6], [7, 8]])])
    painted = erase(pixels, tf.constant([[0.0, 0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 2.0]]), tf.constant([9.0, 0.0]))
    assert np.asarray(painted)[..., 0].tolist() == [[[9, 9], [3, 4]], [[5, 0], [7, 0]]]


def test_mixup_blends_pictures_and_shares_with_the_next_of_the_batch() -> None:
    pixels = np.concatenate([picture([[100.0]]), picture([[200.0]]), picture([[0.0]])])
    mixed, shares = mixup(pixels, np.eye(3, dtype=np.float32), tf.constant([0.75, 0.5, 1.0]))
    assert np.asarray(mixed).ravel().tolist() == [125, 100, 0]
    assert np.asarray(shares).tolist() == [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]]


def test_cutmix_pastes_and_shares_by_area() -> None:
    pixels = np.concatenate([picture([[1, 1], [1, 1]]), picture([[2, 2], [2, 2]])])
    mixed, shares = cutmix(pixels, np.eye(2, dtype=np.float32), tf.constant([[0.0, 0, 1, 1], [1.0, 0, 2, 2]]))
    assert np.asarray(mixed)[..., 0].tolist() == [[[2, 1], [1, 1]], [[2, 2], [1, 1]]]
    assert np.asarray(shares).tolist() == [[0.75, 0.25], [0.5, 0.5]]


# --- what is drawn -------------------------------------------------------------------------------------------------


def test_shifts_are_whole_pixels_in_both_directions_and_reach_their_limit(real: Split) -> None:
    pixels, shares = batch(real)
    moved = np.asarray(Augmentation(shift=2).apply(pixels, shares, SEED)[0])[..., 0]
    padded = np.pad(real.images, ((0, 0), (2, 2), (2, 2)))
    found = set()
    for index, image in enumerate(moved):
        fits = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if np.array_equal(image, padded[index, dy : dy + 28, dx : dx + 28])
        ]
        assert fits
        found |= set(fits)
    assert {dy for dy, _ in found} == {dx for _, dx in found} == set(range(5))


def test_about_half_of_the_pictures_are_mirrored(real: Split) -> None:
    pixels, shares = batch(real)
    mirrored = np.asarray(Augmentation(flip=True).apply(pixels, shares, SEED)[0])[..., 0]
    as_is = [np.array_equal(got, image) for got, image in zip(mirrored, real.images, strict=True)]
    flipped = [np.array_equal(got, image[:, ::-1]) for got, image in zip(mirrored, real.images, strict=True)]
    assert all(a or b for a, b in zip(as_is, flipped, strict=True))
    assert 16 < sum(flipped) < 48


@pytest.mark.parametrize("field", ["rotate", "scale", "shear"])
def test_deformed_pictures_keep_their_place_and_most_of_their_light(field: str, real: Split) -> None:
    pixels, shares = batch(real)
    augmentation = Augmentation(**{field: {"rotate": 10.0, "scale": 0.1, "shear": 0.1}[field]})  # type: ignore[arg-type]
    changed = np.asarray(augmentation.apply(pixels, shares, SEED)[0])
    assert (np.abs(changed - pixels).max(axis=(1, 2, 3)) > 5).mean() > 0.9
    assert changed.min() >= 0
    assert changed.max() <= 255.01
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(changed, pixels, strict=True)]
    assert np.median(correlations) > 0.8


def test_brightness_and_shade_stay_within_their_limits() -> None:
    grey = np.full((200, 28, 28, 1), 100, np.float32)
    shares = np.zeros((200, 10), np.float32)
    lit = np.asarray(Augmentation(brightness=0.3).apply(grey, shares, SEED)[0])[:, 0, 0, 0]
    assert 70 <= lit.min() < 75
    assert 125 < lit.max() <= 130
    shaded = np.asarray(Augmentation(shade=0.2).apply(grey, shares, SEED)[0])
    np.testing.assert_allclose(shaded.mean(axis=(1, 2, 3)), 100, atol=0.01)
    edges = shaded.max(axis=(1, 2, 3)) - 100
    assert edges.max() < 100 * 0.2 * 2**0.5 + 0.01
    assert edges.max() > 15


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_the_share_of_rectangles_and_their_area_are_those_asked_for(probability: float) -> None:
    boxes = np.asarray(random_boxes(2_000, SEED, probability=probability))
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    assert (area > 0).mean() == pytest.approx(probability, abs=0.03)
    assert boxes.min() >= 0
    assert boxes.max() <= 28.001
    if probability:
        assert 0.02 * 784 <= area[area > 0].min() < 0.03 * 784
        assert 0.24 * 784 < area.max() <= 0.2501 * 784


def test_pasted_pieces_are_of_every_size() -> None:
    boxes = np.asarray(cut_boxes(2_000, SEED, probability=0.5))
    side = boxes[:, 2] - boxes[:, 0]
    assert (side > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert side.max() > 27
    assert np.median((side[side > 0] / 28) ** 2) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("concentration", [0.2, 1.0])
def test_blending_weights_follow_the_symmetric_beta_distribution(concentration: float) -> None:
    weights = np.asarray(beta(20_000, SEED, concentration))
    assert 0 <= weights.min() < weights.max() <= 1
    assert weights.mean() == pytest.approx(0.5, abs=0.01)
    assert weights.var() == pytest.approx(1 / (4 * (2 * concentration + 1)), abs=0.01)  # of the distribution


# --- the whole -----------------------------------------------------------------------------------------------------

EVERYTHING = Augmentation(
    shift=2,
    flip=True,
    rotate=10,
    scale=0.1,
    shear=0.1,
    brightness=0.2,
    shade=0.2,
    photo=0.5,
    erase=0.5,
    mixup=0.2,
    cutmix=0.5,
)


def test_nothing_asked_for_is_nothing_changed(real: Split) -> None:
    pixels, shares = batch(real)
    same, same_shares = Augmentation().apply(pixels, shares, SEED)
    assert np.array_equal(same, pixels)
    assert np.array_equal(same_shares, shares)


def test_the_seed_decides_everything(real: Split) -> None:
    pixels, shares = batch(real)
    first, again, other = (
        [np.asarray(part) for part in EVERYTHING.apply(pixels, shares, tf.constant(seed))]
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


def test_everything_at_once_keeps_shapes_ranges_and_sums(real: Split) -> None:
    pixels, shares = EVERYTHING.apply(*batch(real), SEED)
    assert pixels.shape == (64, 28, 28, 1)
    assert 0 <= np.min(pixels) < np.max(pixels) <= 255.01
    np.testing.assert_allclose(np.sum(shares, axis=1), 1, atol=1e-5)


def test_every_field_is_an_option_of_the_training() -> None:
    options = TrainOptions(shift=1, flip=True, rotate=2, scale=0.1, shear=0.2, brightness=0.3, shade=0.4, photo=0.5)
    assert Augmentation.of(options) == Augmentation(1, True, 2, 0.1, 0.2, 0.3, 0.4, 0.5)
    mixing = TrainOptions(erase=0.1, mixup=0.2, cutmix=0.5)
    assert Augmentation.of(mixing) == Augmentation(erase=0.1, mixup=0.2, cutmix=0.5)
