"""A candidate against a reference on the same images: what was lost, how sure that is, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from .evaluation import Z95

Verdict = Literal["better", "as good", "not shown", "worse"]
"""Of a candidate against a margin: see `judge_drop`."""


@dataclass(frozen=True)
class Comparison:
    """A candidate against a reference on the same images.

    Attributes:
        reference: name of the reference.
        accuracy_drop: accuracy lost, in percentage points; negative where the candidate is better.
        accuracy_drop_ci95: 95% interval of the drop, in percentage points, for paired answers.
        agreement: share of images with the same answer, right or wrong, in [0, 1].
        flips: number of images with another answer.
        lost: images that only the reference gets right.
        won: images that only the candidate gets right.
        mcnemar_p: exact two-sided p-value of "as many lost as won".
        flipped: positions of those images in the split, ascending.
    """

    reference: str
    accuracy_drop: float
    accuracy_drop_ci95: tuple[float, float]
    agreement: float
    flips: int
    lost: int
    won: int
    mcnemar_p: float
    flipped: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {**asdict(self), "accuracy_drop_ci95": list(self.accuracy_drop_ci95), "flipped": list(self.flipped)}


def compare(
    reference: npt.NDArray[np.int64],
    candidate: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    *,
    reference_name: str,
) -> Comparison:
    """Compare two models' answers, int64 ``(n,)`` each, to images with the true classes `labels`, int64 ``(n,)``.

    Raises:
        EdgeError: other numbers of answers, or none.

    >>> found = compare(np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([0, 1, 1]), reference_name="float")
    >>> found.flips, found.lost, found.won, round(found.accuracy_drop, 2)
    (1, 1, 0, 33.33)
    """
    if not reference.shape == candidate.shape == labels.shape or not labels.size:
        got = f"{reference.size}, {candidate.size} and {labels.size}"
        raise EdgeError("cannot compare answers to other images", expected="equally many, at least one", got=got)
    differs = reference != candidate
    lost = int(np.count_nonzero((reference == labels) & differs))
    won = int(np.count_nonzero((candidate == labels) & differs))
    return Comparison(
        reference=reference_name,
        accuracy_drop=100 * (lost - won) / labels.size,
        accuracy_drop_ci95=paired_interval(lost, won, labels.size),
        agreement=1 - float(differs.mean()),
        flips=int(differs.sum()),
        lost=lost,
        won=won,
        mcnemar_p=mcnemar_exact(lost, won),
        flipped=tuple(np.flatnonzero(differs).tolist()),
    )


def paired_interval(lost: int, won: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of ``(lost - won) / n`` in percentage points, for answers to the same images.

    Source: D. G. Bonett, R. M. Price, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based
    on Paired Data", Journal of Educational and Behavioral Statistics 37 (2012): one is added to both discordant counts
    and two to n, which keeps the coverage when few answers differ. With a handful of images that formula leaves the
    possible range, so it is cut there.

    >>> tuple(round(edge, 3) for edge in paired_interval(46, 33, 10000))
    (-0.046, 0.306)
    """
    drop, error = _adjusted_drop(lost, won, n)
    return 100 * max(-1.0, drop - Z95 * error), 100 * min(1.0, drop + Z95 * error)


def _adjusted_drop(lost: int, won: int, n: int) -> tuple[float, float]:
    """Return Bonett and Price's adjusted drop and its standard error, as shares."""
    share_lost, share_won = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    drop = share_lost - share_won
    return drop, math.sqrt((share_lost + share_won - drop**2) / (n + 2))


def judge_drop(interval: Sequence[float], margin_points: float) -> Verdict:
    """Hold the 95% interval of a drop against the margin that was stated beforehand, both in percentage points.

    Source: G. Piaggio et al., "Reporting of Noninferiority and Equivalence Randomized Trials: Extension of the CONSORT
    2010 Statement", JAMA 308 (2012): the candidate is not inferior when the whole interval lies within the margin.

    Returns:
        "better" when it surely lost nothing; "as good" when what it may have lost is within the margin; "worse" when it
        surely lost more than the margin; and else "not shown".

    >>> [judge_drop(edges, 0.5) for edges in ((-0.2, -0.1), (-0.2, 0.5), (0.2, 0.7), (0.6, 1.2))]
    ['better', 'as good', 'not shown', 'worse']
    """
    low, high = interval
    if high < 0:
        return "better"
    if high <= margin_points:
        return "as good"
    return "worse" if low > margin_points else "not shown"


def noninferiority_p(lost: int, won: int, n: int, *, margin_points: float) -> float:
    """Return the one-sided p-value of "it loses the margin or more", by the standard error of `paired_interval`.

    It is below 0.025 where the upper end of that interval is below the margin.

    >>> round(noninferiority_p(46, 33, 10_000, margin_points=0.5), 6)
    2e-05
    """
    drop, error = _adjusted_drop(lost, won, n)
    return 0.5 * math.erfc((margin_points / 100 - drop) / error / math.sqrt(2))


def mcnemar_exact(lost: int, won: int) -> float:
    """Return the exact two-sided p-value of McNemar's test; 1 when no answer differs in rightness.

    Source: Q. McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages",
    Psychometrika 12 (1947); the exact form is a binomial test of the discordant pairs, summed here in whole numbers.

    >>> mcnemar_exact(1, 9)
    0.021484375
    """
    pairs = lost + won
    ways = tail = 1  # of choosing k of the pairs; of choosing k or fewer
    for k in range(min(lost, won)):
        ways = ways * (pairs - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << pairs))
