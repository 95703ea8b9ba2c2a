"""Calibration images: of the training split only, equal shares, seeded, recorded."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split, SplitName, load_split
from fmnist_edge.dataset.sources import DATASET_SHA256
from fmnist_edge.export.calibration import DEFAULT_COUNT, Calibration


def test_every_class_has_the_same_share_of_real_training_images(train_split: Split) -> None:
    chosen = Calibration.choose(train_split).split
    assert np.bincount(chosen.labels).tolist() == [DEFAULT_COUNT // 10] * 10
    assert len(set(chosen.indices.tolist())) == DEFAULT_COUNT
    positions = np.searchsorted(train_split.indices, chosen.indices)
    np.testing.assert_array_equal(train_split.images[positions], chosen.images)


def test_the_choice_is_disjoint_from_the_validation_split(train_split: Split) -> None:
    chosen = Calibration.choose(train_split).split.indices.tolist()
    assert not set(chosen) & set(load_split("validation").indices.tolist())


def test_the_seed_decides_the_choice(train_split: Split) -> None:
    first, again, other = (Calibration.choose(train_split, count=50, seed=seed).split.indices for seed in (5, 5, 6))
    assert first.tolist() == again.tolist() != other.tolist()


def test_the_description_is_enough_to_choose_the_same_images_again(train_split: Split) -> None:
    described = Calibration.choose(train_split, count=20, seed=7).describe()
    assert (described["split"], described["count"], described["seed"]) == ("train", 20, 7)
    assert described["dataset_sha256"] == DATASET_SHA256
    again = Calibration.choose(train_split, count=described["count"], seed=described["seed"])
    assert again.split.indices.tolist() == described["indices"]


@pytest.mark.parametrize("name", ["test", "validation"])
def test_images_that_models_are_judged_by_are_refused(name: SplitName) -> None:
    message = f"calibration would see images that models are judged by; expected train; got the {name} split"
    with pytest.raises(EdgeError, match=message):
        Calibration.choose(load_split(name))


@pytest.mark.parametrize("count", [-10, 0, 5, 501, 60_000])
def test_a_count_that_cannot_be_shared_is_refused(count: int, train_split: Split) -> None:
    with pytest.raises(EdgeError, match=f"cannot choose {count} images with equal shares of 10 classes"):
        Calibration.choose(train_split, count=count)
