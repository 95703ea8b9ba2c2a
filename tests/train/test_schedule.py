"""Learning rate schedules, against values computed by hand."""

from __future__ import annotations

import math

import pytest

from fmnist_edge.train.schedule import SCHEDULES, constant, cosine, learning_rate, one_cycle

# name, warm-up, and the factor after each quarter of the way
BY_HAND = [
    (constant, 0.0, [1, 1, 1, 1, 1]),
    (constant, 0.5, [0, 0.5, 1, 1, 1]),
    (cosine, 0.0, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
    (cosine, 0.5, [0, 0.5, 1, 0.5, 0]),
    # one-cycle begins at 1/25 and ends at 1/250,000; half-way between two ends of a half cosine is their mean
    (one_cycle, 0.5, [0.04, 0.52, 1, 0.500002, 4e-6]),
    (one_cycle, 0.25, [0.04, 1, 0.750001, 0.250003, 4e-6]),
    (one_cycle, 0.0, [1, 0.853554, 0.500002, 0.146450, 4e-6]),
]


@pytest.mark.parametrize(("schedule", "warmup", "expected"), BY_HAND)
def test_the_factors_are_those_computed_by_hand(schedule, warmup, expected) -> None:  # type: ignore[no-untyped-def]
    got = [schedule(quarter / 4, warmup=warmup) for quarter in range(5)]
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_peak_is_the_learning_rate_and_never_passed(name: str) -> None:
    rates = [learning_rate(step, 101, schedule=name, peak=0.3, warmup=0.2) for step in range(101)]  # type: ignore[arg-type]
    assert max(rates) == pytest.approx(0.3)
    assert rates.index(max(rates)) == 20
    assert min(rates) >= 0
    assert rates == sorted(rates[:20]) + rates[20:]
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_first_and_last_step_are_the_ends_of_the_schedule() -> None:
    first, last = (learning_rate(step, 860, schedule="one-cycle", peak=0.1, warmup=0.25) for step in (0, 859))
    assert (first, last) == (pytest.approx(0.004), pytest.approx(4e-7))


def test_a_training_of_one_step_has_a_learning_rate() -> None:
    assert learning_rate(0, 1, schedule="cosine", peak=0.1, warmup=0.0) == pytest.approx(0.1)
