"""Fit what makes a model's confidence mean what it says: a temperature, and the threshold below which it is unsure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..runtime.confidence import CLEAR, TINY, Rows, soften

SURE_SHARE_OF_ERRORS = 0.5
"""The answers that are not unsure are wrong at most so many times as often as all answers."""
_BINS = 15
_GOLDEN = (5**0.5 - 1) / 2


def fit_confidence(probabilities: Rows, labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return what goes into a ModelCard as `confidence`.

    Args:
        probabilities: the float model's answers to the validation split, ``(n, classes)``.
        labels: the true classes, ``(n,)``.

    Returns:
        The temperature that makes the true classes likeliest (C. Guo et al., arXiv 1706.04599); the threshold; the
        temperature for doubts (see `Confidence`); what they were fitted on; the share of answers below the threshold;
        the error of all answers and of those above it; the expected calibration error in 15 bins before and after.
    """
    temperature = fit_temperature(probabilities, labels)
    doubt_temperature = find_doubt_temperature(probabilities)
    right = probabilities.argmax(axis=1) == labels
    before, after = probabilities.max(axis=1), soften(probabilities, temperature).max(axis=1)
    threshold = choose_threshold(after, right)
    sure = after >= threshold
    return {
        "temperature": round(temperature, 4),
        "threshold": round(threshold, 4),
        "doubt_temperature": round(doubt_temperature, 4),
        "split": "validation",
        "n": len(labels),
        "unsure_share": round(1 - float(sure.mean()), 4),
        "error": round(1 - float(right.mean()), 4),
        "error_when_sure": round(1 - float(right[sure].mean()), 4) if sure.any() else None,
        "calibration_error_before": round(calibration_error(before, right), 4),
        "calibration_error": round(calibration_error(after, right), 4),
    }


def fit_temperature(probabilities: Rows, labels: npt.NDArray[np.int64]) -> float:
    """Return the temperature, from 0.1 to 10, under which the true classes are likeliest: golden section search."""
    low, high = np.log(0.1), np.log(10.0)

    def loss(log_temperature: float) -> float:
        chosen = soften(probabilities, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(chosen, TINY)).mean())

    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def find_doubt_temperature(probabilities: Rows) -> float:
    """Return the temperature, from 0.1 to 100, at which the mean highest probability is `CLEAR`: bisection.

    >>> round(find_doubt_temperature(np.array([[0.9, 0.1]])), 2)  # 9 ** (1 / 5.42) is 0.6 / 0.4
    5.42
    """
    low, high = np.log(0.1), np.log(100.0)
    while high - low > 1e-4:
        middle = (low + high) / 2
        clear = soften(probabilities, float(np.exp(middle))).max(axis=1).mean() > CLEAR
        low, high = (middle, high) if clear else (low, middle)
    return float(np.exp((low + high) / 2))


def choose_threshold(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """Return the lowest confidence from which on answers err at most half as often as all do.

    Args:
        confidences: of the answers, ``(n,)``.
        right: whether each is right, ``(n,)``.

    >>> choose_threshold(np.array([0.3, 0.5, 0.8, 0.9]), np.array([False, True, False, True]))
    0.9
    """
    order = np.argsort(-confidences, kind="stable")
    errors = np.cumsum(~right[order]) / np.arange(1, len(right) + 1)
    allowed = np.flatnonzero(errors <= SURE_SHARE_OF_ERRORS * errors[-1])
    return float(confidences[order[allowed[-1]]]) if len(allowed) else 1.0


def calibration_error(confidences: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_]) -> float:
    """Return the mean distance between confidence and accuracy in 15 bins, weighted by their size.

    >>> calibration_error(np.array([0.9, 0.9]), np.array([True, False])).__round__(3)
    0.4
    """
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, confidences - right, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(right))
