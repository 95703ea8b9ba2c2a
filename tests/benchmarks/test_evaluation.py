"""Accuracy, its interval, the confusion matrix and the counts of every class, against numbers worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.evaluation import ClassScores, class_scores, confusion_matrix, evaluate, wilson_interval

# Eight images of three classes: two of a (one called b), four of b (one called a, one called c), two of c (all right).
TRUE = np.array([0, 0, 1, 1, 1, 1, 2, 2])
CALLED = np.array([0, 1, 1, 0, 1, 2, 2, 2])
MATRIX = [[1, 1, 0], [1, 2, 1], [0, 0, 2]]
SCORES = [
    ClassScores("a", tp=1, fp=1, tn=5, fn=1, precision=1 / 2, recall=1 / 2, f1=1 / 2),
    ClassScores("b", tp=2, fp=1, tn=3, fn=2, precision=2 / 3, recall=2 / 4, f1=4 / 7),
    ClassScores("c", tp=2, fp=1, tn=5, fn=0, precision=2 / 3, recall=1.0, f1=4 / 5),
]

# Published: R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
# (1998), table I, method 3. Then by hand: with z = 1.96 and n = 10, the ends for 0 are 0 and z² / (n + z²) = 0.2775.
WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
    (0, 10, 0.0000, 0.2775),
    (10, 10, 0.7225, 1.0000),
    (5, 10, 0.2366, 0.7634),
    (0, 1, 0.0000, 0.7935),
    (9136, 10000, 0.9079, 0.9189),
]


def random_answers(seed: int, *, n: int = 3_000, classes: int = 10) -> tuple[npt.NDArray[np.int64], ...]:
    """Return true classes and answers, a fifth of them at random, so that every cell of the matrix may fill."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    return labels, np.where(random.random(n) < 0.2, random.integers(0, classes, n), labels)


def test_everything_agrees_with_the_example_worked_out_by_hand() -> None:
    found = evaluate(CALLED, TRUE, ["a", "b", "c"])
    assert found.n == 8
    assert found.accuracy == 5 / 8
    assert found.accuracy_ci95 == wilson_interval(5, 8)
    assert found.confusion_matrix.tolist() == MATRIX
    assert found.confusion_matrix.dtype == np.int64
    assert list(found.per_class) == SCORES


def test_rows_are_true_and_columns_are_predicted() -> None:
    matrix = confusion_matrix(np.array([2, 2, 2]), np.array([0, 0, 1]), classes=4)
    assert matrix.tolist() == [[0, 0, 2, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("seed", range(3))
def test_the_matrix_counts_every_pair(seed: int) -> None:
    labels, predicted = random_answers(seed)
    matrix = confusion_matrix(predicted, labels, classes=10)
    for row in range(10):
        for column in range(10):
            assert matrix[row, column] == sum((labels == row) & (predicted == column))


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_of_every_class_fit_together(seed: int) -> None:
    labels, predicted = random_answers(seed)
    found = evaluate(predicted, labels, [f"class {index}" for index in range(10)])
    matrix = found.confusion_matrix
    assert matrix.sum() == found.n == len(labels)
    assert matrix.sum(axis=1).tolist() == np.bincount(labels, minlength=10).tolist()
    assert matrix.sum(axis=0).tolist() == np.bincount(predicted, minlength=10).tolist()
    for index, scores in enumerate(found.per_class):
        assert scores.label == f"class {index}"
        assert scores.tp + scores.fp + scores.tn + scores.fn == found.n
        assert scores.tp + scores.fn == np.count_nonzero(labels == index)
        assert scores.tp + scores.fp == np.count_nonzero(predicted == index)
        assert scores.tn == np.count_nonzero((labels != index) & (predicted != index))
        assert scores.f1 == pytest.approx(2 / (1 / scores.precision + 1 / scores.recall))
    wrong = found.n - round(found.accuracy * found.n)
    assert sum(scores.fp for scores in found.per_class) == sum(scores.fn for scores in found.per_class) == wrong > 0


@pytest.mark.parametrize(
    ("matrix", "precision", "recall", "f1"),
    [
        ([[0, 3], [0, 5]], 0.0, 0.0, 0.0),  # never called
        ([[0, 0], [2, 5]], 0.0, 0.0, 0.0),  # no images of it
        ([[0, 0], [0, 5]], 0.0, 0.0, 0.0),  # neither
        ([[4, 0], [0, 5]], 1.0, 1.0, 1.0),
        ([[1, 3], [0, 0]], 1.0, 0.25, 0.4),
        ([[1, 0], [3, 0]], 0.25, 1.0, 0.4),
    ],
)
def test_ratios_of_empty_and_full_classes(matrix: list[list[int]], precision: float, recall: float, f1: float) -> None:
    scores = class_scores(np.array(matrix), 0, "a")
    assert (scores.precision, scores.recall, scores.f1) == (precision, recall, f1)


@pytest.mark.parametrize(("successes", "n", "low", "high"), WILSON)
def test_wilson_interval_agrees_with_published_tables(successes: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (1, 7), (7, 7), (500, 1_000), (999, 1_000), (9_136, 10_000)])
def test_wilson_interval_agrees_with_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson_interval(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_holds_the_share_and_stays_in_range_without_rounding() -> None:
    for n in range(1, 400):
        for successes in (0, n // 2, n):
            low, high = wilson_interval(successes, n)
            assert 0 <= low <= successes / n <= high <= 1
        assert wilson_interval(0, n)[0] == 0
        assert wilson_interval(n, n)[1] == 1


@pytest.mark.parametrize(("share", "n"), [(0.5, 100), (0.9, 500), (0.9136, 2_000)])
def test_wilson_interval_covers_the_truth_about_19_times_in_20(share: float, n: int) -> None:
    """Not simulated: summed over every number of successes, weighted by its probability."""
    covered = sum(
        stats.binom.pmf(successes, n, share)
        for successes in range(n + 1)
        if wilson_interval(successes, n)[0] <= share <= wilson_interval(successes, n)[1]
    )
    assert 0.94 < covered < 0.96


def test_an_evaluation_survives_json() -> None:
    found = evaluate(CALLED, TRUE, ["a", "b", "c"]).as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["confusion_matrix"] == MATRIX
    assert found["per_class"][1] == {
        "label": "b",
        "tp": 2,
        "fp": 1,
        "tn": 3,
        "fn": 2,
        "precision": 2 / 3,
        "recall": 1 / 2,
        "f1": 4 / 7,
    }


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        (0, 0, r"cannot evaluate; expected some answers; got 0$"),
        (3, 0, r"cannot evaluate; expected some answers; got 3$"),
        (3, 4, r"cannot evaluate; expected 4 answers; got 3$"),
        (0, 4, r"cannot evaluate; expected 4 answers; got 0$"),
    ],
)
def test_other_numbers_of_answers_are_refused(predicted: int, labels: int, message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        evaluate(np.zeros(predicted, np.int64), np.zeros(labels, np.int64), ["a"])
