"""Folds: what their names may be, and which images they hold."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import load_split
from fmnist_edge.dataset.folds import Fold


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/1", "1/101", "01/2", "-1/2", "1/2/3", "a/b", "1 /2"])
def test_what_is_no_fold_is_refused(text: str) -> None:
    expected = r"unusable fold; expected a part of the training images, as 1/2, of at most 100; got '" + text
    with pytest.raises(EdgeError, match=expected):
        Fold.parse(text)


def test_the_last_of_the_most_folds_is_one() -> None:
    assert Fold.parse("100/100") == Fold(100, 100)


@pytest.mark.parametrize("holdout", [1_000, 5_000])
def test_every_training_image_is_in_one_fold(holdout: int) -> None:
    split = load_split("train", holdout=holdout)
    held = np.stack([Fold(number, 3).holds(split.indices) for number in (1, 2, 3)])
    assert (held.sum(axis=0) == 1).all()
    assert held.sum(axis=1) == pytest.approx(len(split) / 3, rel=0.01)


def test_a_fold_has_its_share_of_every_class() -> None:
    split = load_split("train", holdout=1_000)
    counts = np.bincount(split.labels[Fold(1, 2).holds(split.indices)])
    assert counts == pytest.approx(2_950, rel=0.03)
