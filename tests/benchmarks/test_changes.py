"""What changed of each class, answer and probability: against an example worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fmnist_edge.benchmarks.changes import LARGEST, class_changes, image_changes, probability_change
from fmnist_edge.benchmarks.comparison import paired_interval
from fmnist_edge.benchmarks.evaluation import evaluate
from fmnist_edge.benchmarks.harness import ModelResult
from fmnist_edge.dataset import Split

TRUE = np.array([0, 0, 0, 0, 1, 1])
BEFORE = np.array([0, 0, 0, 1, 1, 0])  # recall 3/4 and 1/2, precision 3/4 and 1/2
AFTER = np.array([0, 1, 1, 0, 1, 1])  # recall 2/4 and 2/2, precision 2/2 and 2/4
NAMES = ("bag", "coat")


def test_class_changes_agree_with_the_example_worked_out_by_hand() -> None:
    bag, coat = class_changes(BEFORE, AFTER, TRUE, evaluate(BEFORE, TRUE, NAMES), evaluate(AFTER, TRUE, NAMES))
    assert (bag.label, bag.n, bag.lost, bag.won, bag.recall_drop) == ("bag", 4, 2, 1, 25.0)
    assert bag.recall_drop_ci95 == paired_interval(2, 1, 4)
    assert bag.precision_drop == pytest.approx(75 - 100)
    assert bag.f1_drop == pytest.approx(100 * (3 / 4 - 2 / 3))
    assert (coat.label, coat.n, coat.lost, coat.won, coat.recall_drop) == ("coat", 2, 0, 1, -50.0)
    assert coat.precision_drop == pytest.approx(0)
    assert coat.f1_drop == pytest.approx(100 * (1 / 2 - 2 / 3))


def test_a_class_without_images_has_no_interval() -> None:
    true = np.zeros(6, np.int64)
    _, coat = class_changes(BEFORE, AFTER, true, evaluate(BEFORE, true, NAMES), evaluate(AFTER, true, NAMES))
    assert (coat.n, coat.lost, coat.won, coat.recall_drop, coat.recall_drop_ci95) == (0, 0, 0, 0.0, None)
    assert json.loads(json.dumps(coat.as_json())) == coat.as_json()


def test_an_image_change_says_both_answers_and_the_class_that_moved_most() -> None:
    before = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], np.float32)
    after = np.array([[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]], np.float32)
    (change,) = image_changes(before, after, np.array([2, 1]), [0])
    assert change.as_json() == {
        "image": 0,
        "label": 2,
        "reference": 0,
        "reference_probability": 0.5,
        "candidate": 2,
        "candidate_probability": 0.75,
        "change": 0.5,
    }


def test_the_largest_changes_come_first_and_are_few() -> None:
    random = np.random.default_rng(0)
    before = random.dirichlet(np.ones(10), 500).astype(np.float32)
    after = random.dirichlet(np.ones(10), 500).astype(np.float32)
    found = probability_change(before, after, np.zeros(500, np.int64))
    moved = np.abs(after.astype(float) - before).max(axis=1)
    assert [change.image for change in found.largest] == np.argsort(-moved)[:LARGEST].tolist()
    assert found.mean == pytest.approx(moved.mean())
    assert found.p99 == pytest.approx(np.percentile(moved, 99))


def test_the_changes_of_real_models_add_up(results: list[ModelResult], images: Split) -> None:
    for result in results[1:]:
        assert result.comparison is not None
        assert sum(change.lost for change in result.classes) == result.comparison.lost
        assert sum(change.won for change in result.classes) == result.comparison.won
        assert tuple(change.image for change in result.flips) == result.comparison.flipped
        for change in result.flips:
            assert change.reference != change.candidate
            assert change.label == images.labels[change.image]
            assert change.candidate == result.answers.predicted[change.image]
