"""What was lost, how sure that is, and where: against sums done by hand, scipy, and brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.comparison import (
    compare,
    judge_drop,
    mcnemar_exact,
    noninferiority_p,
    paired_interval,
)

# Eight images: 0 to 2 both right; 3 and 4 lost; 5 won; 6 both wrong alike; 7 both wrong, differently.
TRUE = np.array([0, 1, 2, 0, 1, 2, 0, 1])
BEFORE = np.array([0, 1, 2, 0, 1, 0, 1, 0])
AFTER = np.array([0, 1, 2, 1, 2, 2, 1, 2])

# By hand: 100 (p - q ± 1.96 √((p + q - (p - q)²) / (n + 2))) with p = (lost + 1) / (n + 2), q = (won + 1) / (n + 2).
# The third row are the data of M. W. Fagerland, S. Lydersen, P. Laake, "Recommended tests and confidence intervals for
# paired binomial proportions", Statistics in Medicine 33 (2014): 21 children, 1 against 7.
BONETT_PRICE = [
    (46, 33, 10_000, -0.0463, 0.3063),
    (0, 0, 10_000, -0.0277, 0.0277),
    (1, 7, 21, -50.836, -1.338),
    (7, 1, 21, 1.338, 50.836),
    (0, 0, 98, -2.772, 2.772),
    (10, 0, 98, 3.4995, 16.5005),
    (1, 0, 1, -73.354, 100.0),  # 140 by the formula, which nothing can lose
    (0, 1, 1, -100.0, 73.354),
]

# By hand: twice the sum of the ways to choose min(lost, won) or fewer of the pairs, over 2 to the power of the pairs.
MCNEMAR = [
    (0, 0, 1.0),
    (0, 1, 1.0),
    (3, 3, 1.0),
    (0, 5, 2 * 1 / 32),
    (1, 7, 2 * (1 + 8) / 256),
    (1, 9, 2 * (1 + 10) / 1024),
    (8, 2, 2 * (1 + 10 + 45) / 1024),
    (12, 3, 2 * (1 + 15 + 105 + 455) / 32768),
    (0, 1_100, 0.0),  # too small for a float, and no reason to fail
]


def test_everything_agrees_with_the_example_worked_out_by_hand() -> None:
    found = compare(BEFORE, AFTER, TRUE, reference_name="float")
    assert found.reference == "float"
    assert (found.lost, found.won, found.flips) == (2, 1, 4)
    assert found.flipped == (3, 4, 5, 7)
    assert found.agreement == 0.5
    assert found.accuracy_drop == 12.5
    assert found.accuracy_drop_ci95 == paired_interval(2, 1, 8)
    assert found.mcnemar_p == 1.0


def test_the_same_answers_lose_nothing() -> None:
    found = compare(BEFORE, BEFORE, TRUE, reference_name="float")
    assert (found.lost, found.won, found.flips, found.flipped) == (0, 0, 0, ())
    assert (found.agreement, found.accuracy_drop, found.mcnemar_p) == (1.0, 0.0, 1.0)
    low, high = found.accuracy_drop_ci95
    assert low == -high < 0


def test_the_other_way_round_is_the_mirror_image() -> None:
    there = compare(BEFORE, AFTER, TRUE, reference_name="a")
    back = compare(AFTER, BEFORE, TRUE, reference_name="b")
    assert (back.lost, back.won) == (there.won, there.lost)
    assert back.accuracy_drop == -there.accuracy_drop
    assert back.accuracy_drop_ci95 == pytest.approx([-edge for edge in reversed(there.accuracy_drop_ci95)])
    assert (back.flipped, back.agreement, back.mcnemar_p) == (there.flipped, there.agreement, there.mcnemar_p)


@pytest.mark.parametrize("seed", range(3))
def test_the_drop_is_the_difference_of_the_accuracies(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, before, after = random.integers(0, 3, (3, 500))
    found = compare(before, after, labels, reference_name="float")
    assert found.accuracy_drop == pytest.approx(100 * ((before == labels).mean() - (after == labels).mean()))
    assert found.flips == len(found.flipped) == np.count_nonzero(before != after)
    assert found.agreement == pytest.approx((before == after).mean())
    low, high = found.accuracy_drop_ci95
    assert low < found.accuracy_drop < high


@pytest.mark.parametrize(("lost", "won", "n", "low", "high"), BONETT_PRICE)
def test_paired_interval_agrees_with_hand_computed_table(lost: int, won: int, n: int, low: float, high: float) -> None:
    assert paired_interval(lost, won, n) == pytest.approx((low, high), abs=0.0007)


def bootstrap_interval(lost: int, won: int, n: int) -> tuple[float, float]:
    """Draw the images again and again with replacement, and return the middle 95% of the drops, in points."""
    per_image = np.zeros(n, np.int8)
    per_image[:lost], per_image[lost : lost + won] = 1, -1
    random = np.random.default_rng(1708_07747)
    drops = [100 * float(per_image[random.integers(0, n, n)].mean()) for _ in range(4_000)]
    low, high = np.percentile(drops, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize(("lost", "won", "n"), [(46, 33, 10_000), (120, 20, 10_000), (40, 10, 2_000), (15, 45, 1_000)])
def test_paired_interval_has_the_size_and_place_that_resampling_finds(lost: int, won: int, n: int) -> None:
    low, high = paired_interval(lost, won, n)
    expected_low, expected_high = bootstrap_interval(lost, won, n)
    width = expected_high - expected_low
    assert high - low == pytest.approx(width, rel=0.07)
    assert (low + high) / 2 == pytest.approx((expected_low + expected_high) / 2, abs=0.04 * width)


@pytest.mark.parametrize(
    ("share_lost", "share_won", "n"), [(0.0046, 0.0033, 10_000), (0.01, 0.01, 1_000), (0.05, 0.01, 300)]
)
def test_paired_interval_covers_the_truth_about_19_times_in_20(share_lost: float, share_won: float, n: int) -> None:
    random = np.random.default_rng(1708_07747)
    draws = random.multinomial(n, [share_lost, share_won, 1 - share_lost - share_won], 4_000)
    truth = 100 * (share_lost - share_won)
    edges = [paired_interval(int(lost), int(won), n) for lost, won, _ in draws]
    covered = sum(low <= truth <= high for low, high in edges) / len(edges)
    assert 0.94 < covered < 0.97


def test_paired_interval_never_leaves_what_is_possible() -> None:
    for n in range(1, 30):
        for lost in range(n + 1):
            for won in range(n - lost + 1):
                low, high = paired_interval(lost, won, n)
                assert -100 <= low <= 100 * (lost - won) / n <= high <= 100


@pytest.mark.parametrize(("lost", "won", "p"), MCNEMAR)
def test_mcnemar_agrees_with_binomial_sums_done_by_hand(lost: int, won: int, p: float) -> None:
    assert mcnemar_exact(lost, won) == pytest.approx(p, rel=1e-15)
    assert mcnemar_exact(won, lost) == mcnemar_exact(lost, won)


def test_mcnemar_agrees_with_scipy() -> None:
    pairs = [(lost, won) for lost in range(15) for won in range(15) if lost + won]
    for lost, won in [*pairs, (46, 33), (33, 46), (300, 400), (4_900, 5_100), (5_000, 5_000)]:
        assert mcnemar_exact(lost, won) == pytest.approx(stats.binomtest(lost, lost + won).pvalue, rel=1e-9)


def test_mcnemar_agrees_with_every_way_the_pairs_may_fall() -> None:
    """Of all 2^10 outcomes of ten fair pairs, count those at least as lopsided as 2 to 8."""
    lopsided = sum(abs(bin(outcome).count("1") - 5) >= 3 for outcome in range(1 << 10))
    assert mcnemar_exact(2, 8) == lopsided / (1 << 10)


def test_a_comparison_survives_json() -> None:
    found = compare(BEFORE, AFTER, TRUE, reference_name="float").as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["flipped"] == [3, 4, 5, 7]
    assert all(math.isfinite(edge) for edge in found["accuracy_drop_ci95"])


@pytest.mark.parametrize(
    ("reference", "candidate", "labels", "got"),
    [
        (2, 3, 3, "2, 3 and 3"),
        (3, 2, 3, "3, 2 and 3"),
        (3, 3, 2, "3, 3 and 2"),
        (0, 0, 0, "0, 0 and 0"),
    ],
)
def test_answers_to_other_images_are_refused(reference: int, candidate: int, labels: int, got: str) -> None:
    answers: list[npt.NDArray[np.int64]] = [np.zeros(count, np.int64) for count in (reference, candidate, labels)]
    with pytest.raises(
        EdgeError, match=f"cannot compare answers to other images; expected equally many, at least one; got {got}$"
    ):
        compare(*answers, reference_name="float")


@pytest.mark.parametrize(
    ("interval", "margin", "verdict"),
    [
        ((-0.20, -0.04), 0.5, "better"),
        ((-0.05, 0.31), 0.5, "as good"),
        ((-0.05, 0.5), 0.5, "as good"),
        ((-0.05, 0.51), 0.5, "not shown"),
        ((0.5, 0.9), 0.5, "not shown"),
        ((0.51, 0.9), 0.5, "worse"),
        ((0.1, 0.4), 0.5, "as good"),  # surely a loss, and surely a small one
        ((-0.1, 0.0), 0.0, "as good"),
    ],
)
def test_verdicts_against_a_margin(interval: tuple[float, float], margin: float, verdict: str) -> None:
    assert judge_drop(interval, margin) == verdict


@pytest.mark.parametrize(("lost", "won"), [(46, 33), (60, 25), (0, 0), (5, 90)])
def test_the_p_value_of_noninferiority_agrees_with_the_interval_and_with_scipy(lost: int, won: int) -> None:
    n = 10_000
    low, high = paired_interval(lost, won, n)
    at_the_edge = noninferiority_p(lost, won, n, margin_points=high)
    assert at_the_edge == pytest.approx(0.025)
    middle, error = (low + high) / 2, (high - low) / 2 / stats.norm.ppf(0.975)
    expected = stats.norm.sf((0.5 - middle) / error)
    assert noninferiority_p(lost, won, n, margin_points=0.5) == pytest.approx(expected, rel=1e-6, abs=1e-12)
