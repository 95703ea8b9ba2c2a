"""Expected calibration error: against sums done by hand, and a plain loop over the images."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.calibration import BINS, calibrate
from fmnist_edge.benchmarks.harness import ModelResult
from fmnist_edge.dataset import Split

# Five images in four bins of width 0.25. Confidences 0.25 (right), 0.5 (wrong), 0.75 (right), 0.75 (wrong), 1 (right).
ROWS = np.array(
    [[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [0, 0.75, 0.25, 0], [0, 0.75, 0.25, 0], [0, 0, 0, 1]], np.float32
)
LABELS = np.array([0, 1, 1, 2, 3])


def test_bins_agree_with_the_table_made_by_hand() -> None:
    found = calibrate(ROWS, LABELS, bins=4)
    assert [(entry.low, entry.high, entry.n, entry.confidence, entry.accuracy) for entry in found.bins] == [
        (0.0, 0.25, 1, 0.25, 1.0),
        (0.25, 0.5, 1, 0.5, 0.0),
        (0.5, 0.75, 2, 0.75, 0.5),
        (0.75, 1.0, 1, 1.0, 1.0),
    ]
    assert found.ece == pytest.approx((0.75 + 0.5 + 2 * 0.25 + 0.0) / 5)


def test_an_empty_bin_has_no_confidence_and_weighs_nothing() -> None:
    found = calibrate(ROWS[4:], LABELS[4:], bins=4)
    assert [(entry.n, entry.confidence, entry.accuracy) for entry in found.bins[:3]] == [(0, None, None)] * 3
    assert found.ece == 0.0


def test_a_probability_of_a_little_more_than_1_falls_into_the_last_bin() -> None:
    found = calibrate(np.array([[1.0000001, 0.0]], np.float32), np.array([0]))
    assert (found.bins[-1].n, found.bins[-1].confidence) == (1, 1.0)


def test_real_probabilities_agree_with_a_plain_loop(results: list[ModelResult], images: Split) -> None:
    for result in results:
        rows = result.answers.probabilities
        gaps = [[0.0, 0] for _ in range(BINS)]
        for row, label in zip(rows.astype(float), images.labels, strict=True):
            confidence = min(1.0, float(row.max()))
            position = next(index for index in range(BINS) if confidence <= (index + 1) / BINS + 1e-12)
            gaps[position][0] += confidence - float(row.argmax() == label)
            gaps[position][1] += 1
        assert sum(count for _, count in gaps) == len(images)
        assert result.calibration.ece == pytest.approx(sum(abs(gap) for gap, _ in gaps) / len(images), abs=1e-9)
        assert [entry.n for entry in result.calibration.bins] == [count for _, count in gaps]
        assert 0.0 < result.calibration.ece < 0.5


@pytest.mark.parametrize(("rows", "labels", "expected"), [(2, 3, "3 rows; got 2"), (0, 0, "some rows; got 0")])
def test_other_numbers_of_rows_are_refused(rows: int, labels: int, expected: str) -> None:
    with pytest.raises(EdgeError, match=f"cannot measure calibration; expected {expected}"):
        calibrate(np.ones((rows, 2), np.float32), np.zeros(labels, np.int64))
