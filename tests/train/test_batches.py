"""The input pipeline: every image once an epoch, in an order and with changes that seed and epoch decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from fmnist_edge.dataset import Split, load_split
from fmnist_edge.train.batches import spread, training_batches, validation_batches
from fmnist_edge.train.options import TrainOptions

PLAIN = TrainOptions(batch_size=64)
CHANGED = TrainOptions(batch_size=64, shift=2, flip=True, erase=0.5, label_smoothing=0.1)


@pytest.fixture(scope="module")
def split() -> Split:
    return load_split("validation").first(300)


def drawn(split: Split, options: TrainOptions, epoch: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    pairs = list(training_batches(split, options, epoch=epoch, taught=None))
    assert [len(labels) for _, labels in pairs] == [64, 64, 64, 64, 44]
    return np.concatenate([pixels for pixels, _ in pairs]), np.concatenate([labels for _, labels in pairs])


def test_without_changes_the_pixels_are_the_pixels_and_every_image_comes_once(split: Split) -> None:
    pixels, labels = drawn(split, PLAIN, 1)
    assert (pixels.shape, pixels.dtype, labels.dtype) == ((300, 28, 28, 1), np.float32, np.int64)
    order = np.random.default_rng([0, 1]).permutation(300)
    assert np.array_equal(pixels[..., 0], split.images[order])
    assert np.array_equal(labels, split.labels[order])


def test_seed_and_epoch_decide_order_and_changes(split: Split) -> None:
    first, again, next_epoch, other_seed = (
        drawn(split, options, epoch)
        for options, epoch in [(CHANGED, 1), (CHANGED, 1), (CHANGED, 2), (replace(CHANGED, seed=1), 1)]
    )
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], next_epoch[0])
    assert not np.array_equal(first[0], other_seed[0])


def test_batches_of_an_epoch_are_changed_differently(split: Split) -> None:
    same = replace(split, images=np.repeat(split.images[:1], 300, axis=0))
    pixels, _ = drawn(same, replace(CHANGED, flip=False, erase=0.0), 1)
    assert not np.array_equal(pixels[:64], pixels[64:128])


def test_changes_without_shared_labels_leave_the_labels_numbers(split: Split) -> None:
    _, labels = drawn(split, replace(CHANGED, label_smoothing=0.0), 1)
    assert np.array_equal(labels, split.labels[np.random.default_rng([0, 1]).permutation(300)])


def test_smoothed_labels_are_those_computed_by_hand(split: Split) -> None:
    _, shares = drawn(split, CHANGED, 1)
    labels = split.labels[np.random.default_rng([0, 1]).permutation(300)]
    assert np.array_equal(shares.argmax(axis=1), labels)
    np.testing.assert_allclose(shares.max(axis=1), 0.91, atol=1e-6)
    np.testing.assert_allclose(np.sort(shares, axis=1)[:, :9], 0.01, atol=1e-6)
    np.testing.assert_allclose(np.asarray(spread(tf.constant([2]), 0.0))[0], np.eye(10)[2])


@pytest.mark.parametrize("options", [PLAIN, CHANGED])
def test_validation_images_are_never_changed(options: TrainOptions, split: Split) -> None:
    pairs = list(validation_batches(split, options))
    assert np.array_equal(np.concatenate([pixels for pixels, _ in pairs])[..., 0], split.images)
    labels = np.concatenate([labels for _, labels in pairs])
    assert np.array_equal(labels, np.eye(10)[split.labels] if options.shares_labels else split.labels)


def test_mixed_labels_belong_to_mixed_pictures(split: Split) -> None:
    pixels, shares = drawn(split, TrainOptions(batch_size=64, mixup=1.0), 1)
    order = np.random.default_rng([0, 1]).permutation(300)[:64]
    images, labels = split.images[order].astype(np.float32), split.labels[order]
    for index in range(63):
        if labels[index] != labels[index + 1]:
            weight = shares[index, labels[index]]
            mixed = weight * images[index] + (1 - weight) * images[index + 1]
            np.testing.assert_allclose(pixels[index, ..., 0], mixed, atol=0.02)


@pytest.mark.parametrize("options", [TrainOptions(), TrainOptions(flip=True)], ids=["as they are", "changed"])
def test_no_epoch_waits_for_a_thread_that_tunes(options: TrainOptions, split: Split) -> None:
    for batches in (training_batches(split, options, epoch=1, taught=None), validation_batches(split, options)):
        assert batches.options().autotune.enabled is False


def test_what_the_teacher_says_is_mixed_into_the_label_of_its_picture(split: Split) -> None:
    answers = np.random.default_rng(0).dirichlet(np.ones(10), len(split)).astype(np.float32)
    options = TrainOptions(batch_size=64, shift=2, flip=True, teacher=("compact",), teacher_weight=0.4)
    order = np.random.default_rng([0, 1]).permutation(len(split))
    pairs = list(training_batches(split, options, epoch=1, taught=answers))
    shares = np.concatenate([shares for _, shares in pairs])
    expected = 0.6 * np.eye(10, dtype=np.float32)[split.labels] + 0.4 * answers
    np.testing.assert_allclose(shares, expected[order], atol=1e-6)


def brightness_as_class(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Answer with a class that depends on every pixel."""
    assert images.dtype == np.uint8
    assert images.shape[1:] == (28, 28)
    return np.eye(10, dtype=np.float32)[images.sum(axis=(1, 2), dtype=np.int64) % 10]


@pytest.mark.parametrize("mixup", [0.0, 0.4], ids=["whole pixels", "blended"])
def test_a_consistent_teacher_is_asked_about_what_the_pupil_sees(split: Split, mixup: float) -> None:
    options = TrainOptions(batch_size=64, shift=2, erase=0.5, mixup=mixup, teacher=("compact",), teacher_weight=0.4)
    seen = 0
    once = training_batches(split, replace(options, teacher_weight=0.0), epoch=1, taught=brightness_as_class)
    for (pixels, shares), (same, labels) in zip(
        training_batches(split, options, epoch=1, taught=brightness_as_class), once, strict=True
    ):
        np.testing.assert_array_equal(pixels, same)
        answers = brightness_as_class(np.rint(pixels[..., 0].numpy()).astype(np.uint8))
        np.testing.assert_allclose(shares, 0.6 * labels + 0.4 * answers, atol=1e-6)
        seen += len(pixels)
    assert seen == len(split)
