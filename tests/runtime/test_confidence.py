"""Confidence: by hand, from cards, and on photos."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.runtime import ModelCard
from fmnist_edge.runtime.confidence import CLEAR, DEFAULT, PHOTO_CLARITY, Confidence

GOOD = {"temperature": 1.5, "threshold": 0.6, "doubt_temperature": 3.0}


def test_a_card_gives_what_it_says_and_an_older_one_the_defaults(card: ModelCard) -> None:
    told = dataclasses.replace(card, confidence={**GOOD, "split": "validation"})
    assert Confidence.of_card(told, source="a.onnx") == Confidence(1.5, 0.6, 3.0)
    assert Confidence.of_card(card, source="a.onnx") == DEFAULT


@pytest.mark.parametrize(
    "content",
    [
        {},
        {**GOOD, "temperature": 0},
        {**GOOD, "temperature": -1},
        {**GOOD, "temperature": float("inf")},
        {**GOOD, "temperature": float("nan")},
        {**GOOD, "doubt_temperature": 0},
        {**GOOD, "threshold": 1.1},
        {**GOOD, "threshold": "much"},
        {**GOOD, "threshold": None},
        [1, 2, 3],
        7,
    ],
    ids=str,
)
def test_a_card_with_other_numbers_is_refused(card: ModelCard, content: Any) -> None:
    with pytest.raises(EdgeError, match=r"a\.onnx has a damaged ModelCard; expected temperatures above 0 and a thresh"):
        Confidence.of_card(dataclasses.replace(card, confidence=content), source="a.onnx")


def test_a_temperature_divides_the_logits() -> None:
    assert Confidence(temperature=1.0).of_row((0.2, 0.8), 1) == pytest.approx(0.8)
    assert Confidence(temperature=2.0).of_row((0.2, 0.8), 1) == pytest.approx(2 / 3)  # the odds' root: 2 to 1
    assert Confidence(temperature=0.5).of_row((0.2, 0.8), 1) == pytest.approx(16 / 17)
    assert Confidence(temperature=2.0).of_row((0.0, 1.0), 0) == 0


def test_the_confidence_in_a_photo_is_the_mean_over_its_views() -> None:
    rows = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    confidence, _ = Confidence(temperature=1.0).of_views(rows, 1)
    assert confidence == pytest.approx(0.6)


@pytest.mark.parametrize(("factor", "unclear"), [(0.99, True), (1.01, False)])
def test_a_photo_is_unclear_below_a_share_of_what_validation_pictures_reach(factor: float, unclear: bool) -> None:
    top = CLEAR * PHOTO_CLARITY * factor
    rows = np.full((3, 10), (1 - top) / 9, np.float32)
    rows[:, 4] = top
    assert Confidence(doubt_temperature=1.0).of_views(rows, 4)[1] is unclear


def test_views_that_disagree_make_a_photo_unclear() -> None:
    sure = np.eye(10, dtype=np.float32)[[3, 3, 3, 3]]
    torn = np.eye(10, dtype=np.float32)[[3, 1, 2, 0]]
    assert not DEFAULT.of_views(sure, 3)[1]
    assert DEFAULT.of_views(torn, 3)[1]
