"""Pictures like cut-out photos: what is sampled by hand, what is repeatable, what stays and what changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from fmnist_edge.dataset import load_split
from fmnist_edge.train.photos import Draws, damage, photo_like, retone, sample, warp

SEED = tf.constant([5, 6])
Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def pixels() -> Array:
    return load_split("validation").first(200).images[..., np.newaxis].astype(np.float32)


def grid(rows: list[list[float]]) -> Array:
    return np.array(rows, np.float32)[np.newaxis, :, :, np.newaxis]


def garment(pixels: Array) -> tuple[Any, Any]:
    return pixels / 255, (pixels > 0).astype(np.float32)


def test_sampling_reads_between_pixels_and_finds_nothing_outside() -> None:
    picture = grid([[0, 10], [20, 30]])
    x, y = grid([[0, 0.5], [1, -0.5]]), grid([[0, 0.5], [0.25, 0]])
    assert np.asarray(sample(picture, x, y))[0, ..., 0].tolist() == [[0, 15], [15, 0]]
    far = sample(picture, grid([[-9, 9], [1, 1.5]]), grid([[0, 0], [9, 0]]))
    assert np.asarray(far)[0, ..., 0].tolist() == [[0, 0], [0, 5]]


def test_every_picture_and_channel_is_sampled_for_itself() -> None:
    pictures = np.concatenate([grid([[1, 2], [3, 4]]), grid([[5, 6], [7, 8]])])
    both = np.concatenate([pictures, 10 * pictures], axis=-1)
    x, y = (np.repeat(grid(rows), 2, axis=0) for rows in ([[1, 0], [1, 0]], [[0, 0], [1, 1]]))
    expected = both[:, :, ::-1]
    np.testing.assert_array_equal(sample(both, x, y), expected)


def test_the_share_decides_how_many_are_changed_and_the_others_stay(pixels: Array) -> None:
    assert np.array_equal(photo_like(pixels, SEED, share=0.0), pixels)
    changed = np.any(np.asarray(photo_like(pixels, SEED, share=0.5)) != pixels, axis=(1, 2, 3))
    assert 0.35 < changed.mean() < 0.65
    assert np.any(np.asarray(photo_like(pixels, SEED, share=1.0)) != pixels, axis=(1, 2, 3)).all()


def test_the_seed_decides_everything(pixels: Array) -> None:
    first, again, other = (np.asarray(photo_like(pixels, tf.constant(s), share=1.0)) for s in ([1, 2], [1, 2], [2, 2]))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pictures_keep_shape_and_range_and_a_black_background(pixels: Array) -> None:
    made = np.asarray(photo_like(pixels, SEED, share=1.0))
    assert made.shape == pixels.shape
    assert made.dtype == np.float32
    assert 0 <= made.min() < made.max() <= 255
    background = made == 0
    assert 0.2 < background.mean() < 0.7
    assert abs(background.mean() - (pixels == 0).mean()) < 0.15


def test_warping_moves_tones_and_mask_alike(pixels: Array) -> None:
    _, mask = garment(pixels)
    tones, moved = warp(mask, mask, Draws(len(pixels), SEED))
    np.testing.assert_array_equal(tones, moved)
    assert np.any(np.asarray(moved) != mask, axis=(1, 2, 3)).all()


def test_new_tones_have_means_of_their_own(pixels: Array) -> None:
    tones, mask = garment(pixels)
    toned = np.asarray(retone(tones, mask, Draws(len(pixels), SEED)))
    before, after = (np.sum(t * mask, axis=(1, 2, 3)) / mask.sum(axis=(1, 2, 3)) for t in (tones, toned))
    moved = after - before
    assert (moved > 0.05).sum() > 20
    assert (moved < -0.05).sum() > 20


def test_damage_takes_and_adds_but_leaves_half_as_they_are(pixels: Array) -> None:
    _, mask = garment(pixels)
    damaged = np.asarray(damage(mask, Draws(len(pixels), SEED)))
    less, more = (damaged < mask).any(axis=(1, 2, 3)), (damaged > mask).any(axis=(1, 2, 3))
    assert 0.05 < less.mean() < 0.3
    assert 0.05 < more.mean() < 0.3
    assert ((damaged >= 0) & (damaged <= 1)).all()
