"""The temperature, the threshold and the temperature for doubts, on answers whose right values are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge.export.confidence import (
    calibration_error,
    choose_threshold,
    find_doubt_temperature,
    fit_confidence,
    fit_temperature,
)
from fmnist_edge.runtime.confidence import CLEAR, soften


def answers(*, count: int, temperature: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Probabilities from which the labels were drawn, and then sharpened or softened by `temperature`."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (count, 10))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    return soften(true, temperature), labels.astype(np.int64)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_what_was_done_to_the_logits(temperature: float) -> None:
    probabilities, labels = answers(count=20_000, temperature=temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(1 / temperature, rel=0.03)


def test_a_temperature_that_does_nothing() -> None:
    row = np.array([[0.7, 0.2, 0.1]])
    assert soften(row, 1.0) == pytest.approx(row)
    assert soften(np.array([[1.0, 0.0]]), 2.0).sum() == pytest.approx(1)  # a probability of 0 is no trouble


def test_answers_above_the_threshold_err_at_most_half_as_often() -> None:
    confidences = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    right = np.array([True, True, True, False, True, True, False, False])  # 3 of 8 err
    threshold = choose_threshold(confidences, right)
    assert threshold == 0.4  # 1 of 6 errs; with the next, 2 of 7 would, which is more than 3/16


def test_a_model_that_never_errs_is_never_unsure_and_one_that_errs_when_surest_always() -> None:
    confidences = np.array([0.9, 0.5])
    assert choose_threshold(confidences, np.array([True, True])) == 0.5
    assert choose_threshold(confidences, np.array([False, True])) == 1.0


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    confidences = np.array([0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False])
    assert calibration_error(confidences, right) == pytest.approx((0.05 * 2 + 0.05 * 2) / 4)
    assert calibration_error(np.array([1.0]), np.array([True])) == 0


def test_the_temperature_for_doubts_brings_the_mean_to_clear() -> None:
    probabilities, _ = answers(count=2_000, temperature=0.3)
    found = find_doubt_temperature(probabilities)
    assert soften(probabilities, found).max(axis=1).mean() == pytest.approx(CLEAR, abs=1e-3)


def test_what_goes_into_the_card() -> None:
    probabilities, labels = answers(count=20_000, temperature=0.5)
    fitted = fit_confidence(probabilities, labels)
    assert fitted["temperature"] == pytest.approx(2, rel=0.03)
    assert fitted["split"] == "validation"
    assert fitted["n"] == 20_000
    assert fitted["calibration_error"] < 0.01 < fitted["calibration_error_before"]
    assert fitted["error_when_sure"] == pytest.approx(fitted["error"] / 2, rel=0.01)
    assert 0 < fitted["unsure_share"] < 1
