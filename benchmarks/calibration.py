"""Does a probability of 0.9 mean right nine times of ten? Expected calibration error and its reliability bins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose most probable class has a probability above `low` and up to `high`.

    Attributes:
        low: lower end, not included (but 0 is in the first bin).
        high: upper end, included.
        n: number of images.
        confidence: mean of those probabilities; None where n is 0.
        accuracy: share of them that are right; None where n is 0.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """How well the probability of a model's answer says how often it is right.

    Attributes:
        ece: expected calibration error, in [0, 1]: the mean gap between confidence and accuracy, weighted by images.
        bins: `BINS` bins of equal width.
    """

    ece: float
    bins: tuple[ReliabilityBin, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {"ece": self.ece, "bins": [asdict(entry) for entry in self.bins]}


def calibrate(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, bins: int = BINS
) -> Calibration:
    """Measure the calibration of probabilities, float32 ``(n, classes)``, for images of the classes `labels`, ``(n,)``.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599), equation 3.

    Raises:
        EdgeError: another number of rows than labels, or none.

    >>> calibrate(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), np.array([0, 1]), bins=2).ece  # (0.9 + 0.6) / 2 - 0.5
    0.25
    """
    if len(probabilities) != len(labels) or not labels.size:
        expected = f"{labels.size or 'some'} rows"
        raise EdgeError("cannot measure calibration", expected=expected, got=str(len(probabilities)))
    # Float32 says 1.0000001 now and then; in double precision and cut to 1, every image falls into a bin.
    confidence = np.minimum(probabilities.max(axis=1).astype(np.float64), 1.0)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    position = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    entries = tuple(
        _bin(confidence[position == index], right[position == index], float(edges[index]), float(edges[index + 1]))
        for index in range(bins)
    )
    gaps = sum(abs(confidence[position == index].sum() - right[position == index].sum()) for index in range(bins))
    return Calibration(ece=round(float(gaps) / labels.size, 12), bins=entries)


def _bin(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], low: float, high: float) -> ReliabilityBin:
    if not confidence.size:
        return ReliabilityBin(low, high, 0, None, None)
    return ReliabilityBin(low, high, confidence.size, float(confidence.mean()), float(right.mean()))
