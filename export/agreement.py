"""How far a quantized network answers like the float one, told from images that neither was trained to be judged by.

The share of images with the same label is what counts, but of 5,000 images a good network changes ten, and ten is three
more or less by chance, which is as much as one way to quantize differs from another. So the *expected* share of changed
labels is computed as well, with less chance in it: a label changes when quantization takes more from the gap between
the float model's two best classes than there is, and every such loss is tried on every gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .reference import Reference
from .trace import infer

Gaps = npt.NDArray[np.float64]
CLOSE_SHARE = 0.2
"""Share of the images on which changes are measured: those with the smallest gaps, the only ones that turn in use."""
_TINY = 1e-30


@dataclass(frozen=True)
class Agreement:
    """How far a quantized network answers like the float model, on the validation split.

    Attributes:
        same_label: share of the images with the same answer, in [0, 1].
        mean_change: mean absolute change of a probability.
    """

    same_label: float
    mean_change: float


def agreement(content: bytes, reference: Reference, *, count: int | None = None) -> Agreement:
    """Measure how far the TFLite model `content` answers like the float model, on `count` images or on all."""
    expected = reference.probabilities[:count]
    answers = infer(content, reference.split.images[:count])
    same = answers.argmax(axis=1) == expected.argmax(axis=1)
    return Agreement(same_label=float(same.mean()), mean_change=float(np.abs(answers - expected).mean()))


def expected_changes(content: bytes, reference: Reference) -> float:
    """Estimate the share of labels, in [0, 1], that the quantized TFLite model `content` changes."""
    gaps = best_two_gaps(reference.probabilities, reference.probabilities)
    close = np.argsort(gaps, kind="stable")[: round(CLOSE_SHARE * len(gaps))]
    answers = infer(content, reference.split.images[close])
    return share_changed(gaps, best_two_gaps(reference.probabilities[close], answers) - gaps[close])


def best_two_gaps(expected: npt.NDArray[np.float32], answers: npt.NDArray[np.float32]) -> Gaps:
    """Return by how much `answers` prefer the best class of `expected` to its second best, in logits.

    Args:
        expected: float32 ``(n, classes)``, probabilities.
        answers: the same of another model.

    >>> expected = np.array([[0.25, 0.5, 0.25]], np.float32)
    >>> best_two_gaps(expected, np.array([[0.5, 0.25, 0.25]], np.float32)).round(3)
    array([-0.693])
    """
    order = np.argsort(-expected, axis=1, kind="stable")[:, :2]
    logits = np.log(np.maximum(np.take_along_axis(answers, order, axis=1), _TINY).astype(np.float64))
    gaps: Gaps = logits[:, 0] - logits[:, 1]
    return gaps


def share_changed(gaps: Gaps, changes: Gaps) -> float:
    """Return the share of pairs of a gap and a change in which the change turns the gap round.

    Args:
        gaps: ``(n,)``, not negative.
        changes: ``(m,)``, of either sign.

    >>> share_changed(np.array([1.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    0.16666666666666666
    """
    turned = np.searchsorted(np.sort(changes), -gaps, side="left")
    return float(turned.mean() / len(changes))
