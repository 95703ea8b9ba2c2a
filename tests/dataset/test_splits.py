"""The three parts of the real data: counts, shares, and the same images every time."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import LABELS, Split, SplitName, load_split
from fmnist_edge.dataset.splits import VALIDATION_COUNT, VALIDATION_SEED, check_pair, stratified_indices


@pytest.fixture(scope="module")
def splits(test_split: Split) -> dict[SplitName, Split]:
    return {"train": load_split("train"), "validation": load_split("validation"), "test": test_split}


@pytest.mark.parametrize(("name", "count"), [("train", 55_000), ("validation", 5_000), ("test", 10_000)])
def test_a_split_has_its_count_shapes_types_and_equal_shares(
    splits: dict[SplitName, Split], name: SplitName, count: int
) -> None:
    split = splits[name]
    assert split.name == name
    assert len(split) == count
    assert (split.images.shape, split.images.dtype) == ((count, 28, 28), np.uint8)
    assert (split.labels.shape, split.labels.dtype) == ((count,), np.int64)
    assert (split.indices.shape, split.indices.dtype) == ((count,), np.int64)
    assert np.bincount(split.labels).tolist() == [count // 10] * 10


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("train", "dd177d1c7c9812579ba0a4470d177301ea3e9ad4e70a70572b5faaa2ada875ff"),
        ("validation", "3a89e6d208bdfe0c5418943af9fb717108207cdda00ac9a0ff38c248bdf15e28"),
        ("test", "9a494dc49efeb996f4076c469b31cd058152067b1594ba6ab85dd739fce3775e"),
    ],
)
def test_a_split_holds_the_same_images_and_labels_everywhere(
    splits: dict[SplitName, Split], name: SplitName, sha256: str
) -> None:
    assert splits[name].sha256 == sha256


def test_the_validation_images_are_the_same_on_every_machine_and_for_ever(splits: dict[SplitName, Split]) -> None:
    indices = splits["validation"].indices
    assert indices[:5].tolist() == [20, 24, 32, 56, 67]
    assert sha256_hex(indices.astype("<i8").tobytes()) == (
        "de5a1df5ac25180b7ead733baf0db92e6af82dc0e51eb212a595c9c894e7456b"
    )


def test_training_and_validation_share_no_image_and_leave_none_out(splits: dict[SplitName, Split]) -> None:
    together = np.concatenate([splits["train"].indices, splits["validation"].indices])
    assert np.array_equal(np.sort(together), np.arange(60_000))


def test_what_is_not_held_out_is_for_training(splits: dict[SplitName, Split]) -> None:
    train, held = (load_split(name, holdout=1_000) for name in ("train", "validation"))
    assert np.bincount(held.labels).tolist() == [100] * 10
    assert set(held.indices.tolist()) < set(splits["validation"].indices.tolist())
    assert np.array_equal(np.sort(np.concatenate([train.indices, held.indices])), np.arange(60_000))
    assert load_split("test", holdout=1_000).sha256 == splits["test"].sha256
    assert held.sha256 == ("027ef805b5f3ab556aa791aa5192c5fb98f4c52b3fbad534924b3dff9b58fa28")


def test_a_holdout_without_equal_shares_is_refused() -> None:
    with pytest.raises(EdgeError, match="cannot choose 1005 images with equal shares of 10 classes"):
        load_split("train", holdout=1_005)


def test_the_first_test_image_is_an_ankle_boot(test_split: Split) -> None:
    assert [LABELS[label] for label in test_split.labels[:4]] == ["Ankle boot", "Pullover", "Trouser", "Trouser"]
    assert test_split.images[0, 0].tolist() == [0] * 28
    assert int(test_split.images[0].sum()) == 33_456


def test_a_part_of_a_split_keeps_images_labels_and_indices_together(splits: dict[SplitName, Split]) -> None:
    validation = splits["validation"]
    part = validation.take(np.array([7, 3]))
    assert part.name == "validation"
    assert part.indices.tolist() == [validation.indices[7], validation.indices[3]]
    assert part.labels.tolist() == [validation.labels[7], validation.labels[3]]
    assert np.array_equal(part.images, validation.images[[7, 3]])
    assert part.sha256 != validation.take(np.array([3, 7])).sha256


@pytest.mark.parametrize(("count", "length"), [(0, 0), (3, 3), (10_000, 10_000), (20_000, 10_000), (None, 10_000)])
def test_the_first_images_are_as_many_as_there_are(test_split: Split, count: int | None, length: int) -> None:
    part = test_split.first(count)
    assert part.indices.tolist() == list(range(length))


def test_the_stratified_choice_follows_the_seed_alone() -> None:
    labels = np.repeat(np.arange(10), 50)
    chosen = stratified_indices(labels, 100, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [10] * 10
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, stratified_indices(labels, 100, seed=1))
    assert not np.array_equal(chosen, stratified_indices(labels, 100, seed=2))
    assert (VALIDATION_COUNT, VALIDATION_SEED) == (5_000, 170_807_747)


def test_all_that_a_class_has_may_be_chosen() -> None:
    labels = np.repeat(np.arange(10), 3)
    assert stratified_indices(labels, 30, seed=0).tolist() == list(range(30))


@pytest.mark.parametrize("count", [-10, 0, 1, 5, 11, 40])
def test_a_count_that_cannot_be_shared_is_refused(count: int) -> None:
    labels = np.repeat(np.arange(10), 3)
    match = f"cannot choose {count} images with equal shares of 10 classes; expected .* from 10 to 30; got {count}"
    with pytest.raises(EdgeError, match=match):
        stratified_indices(labels, count, seed=0)


@pytest.mark.parametrize("labels", [[], [9], [0, 0], [0, 9]])
def test_images_and_labels_that_belong_together_are_accepted(labels: list[int]) -> None:
    check_pair(np.zeros((len(labels), 28, 28), np.uint8), np.array(labels, np.int64), name="it")


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        ((2, 28, 27), [0, 1], r"it has a wrong shape; expected \(n, 28, 28\); got \(2, 28, 27\)"),
        ((2, 784), [0, 1], r"it has a wrong shape; .* got \(2, 784\)"),
        ((2, 28, 28), [0], r"it has a wrong count; expected 2 labels; got \(1,\)"),
        ((2, 28, 28), [[0], [1]], r"it has a wrong count; expected 2 labels; got \(2, 1\)"),
        ((2, 28, 28), [0, 10], "it has a wrong label; expected 0 to 9; got 10"),
        ((1, 28, 28), [-1], "it has a wrong label; expected 0 to 9; got -1"),
    ],
)
def test_images_and_labels_that_do_not_belong_together_are_refused(
    images: tuple[int, ...], labels: list[int], match: str
) -> None:
    with pytest.raises(EdgeError, match=match):
        check_pair(np.zeros(images, np.uint8), np.array(labels), name="it")
