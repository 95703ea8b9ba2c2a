"""What a candidate changes of each class, of each answer and of each probability, against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .comparison import paired_interval
from .evaluation import Evaluation

LARGEST = 10
"""So many of the largest changes of probability are named."""


@dataclass(frozen=True)
class ClassChange:
    """What one class lost; drops are in percentage points, and negative where the candidate is better.

    Attributes:
        label: class name.
        n: images of the class.
        lost: images of the class that only the reference gets right.
        won: images of the class that only the candidate gets right.
        recall_drop: of the class's images, the share that was lost.
        recall_drop_ci95: its 95% interval for paired answers; None where the class has no images.
        precision_drop: likewise of the precision; no interval, because its images are not the same for both models.
        f1_drop: likewise of F1, times 100.
    """

    label: str
    n: int
    lost: int
    won: int
    recall_drop: float
    recall_drop_ci95: tuple[float, float] | None
    precision_drop: float
    f1_drop: float

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        interval = None if self.recall_drop_ci95 is None else list(self.recall_drop_ci95)
        return {**asdict(self), "recall_drop_ci95": interval}


@dataclass(frozen=True)
class ImageChange:
    """One image that two models see differently.

    Attributes:
        image: its position in the split.
        label: its true class.
        reference: the reference's answer.
        reference_probability: the probability that the reference gives its answer.
        candidate: the candidate's answer.
        candidate_probability: the probability that the candidate gives its answer.
        change: the largest absolute difference of any class's probability.
    """

    image: int
    label: int
    reference: int
    reference_probability: float
    candidate: int
    candidate_probability: float
    change: float

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class ProbabilityChange:
    """How far the probabilities moved; of each image, the class that moved most counts.

    Attributes:
        mean: over the images.
        p99: ninety-nine of a hundred images moved less.
        largest: the `LARGEST` images that moved most, the first most.
    """

    mean: float
    p99: float
    largest: tuple[ImageChange, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {"mean": self.mean, "p99": self.p99, "largest": [entry.as_json() for entry in self.largest]}


def class_changes(
    reference: npt.NDArray[np.int64],
    candidate: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    before: Evaluation,
    after: Evaluation,
) -> tuple[ClassChange, ...]:
    """Compare class by class; answers and labels are int64 ``(n,)``, the evaluations those of the two models."""
    changes = []
    for index, (old, new) in enumerate(zip(before.per_class, after.per_class, strict=True)):
        mine = labels == index
        n = int(np.count_nonzero(mine))
        lost = int(np.count_nonzero(mine & (reference == index) & (candidate != index)))
        won = int(np.count_nonzero(mine & (reference != index) & (candidate == index)))
        changes.append(
            ClassChange(
                label=old.label,
                n=n,
                lost=lost,
                won=won,
                recall_drop=100 * (lost - won) / n if n else 0.0,
                recall_drop_ci95=paired_interval(lost, won, n) if n else None,
                precision_drop=100 * (old.precision - new.precision),
                f1_drop=100 * (old.f1 - new.f1),
            )
        )
    return tuple(changes)


def image_changes(
    reference: npt.NDArray[np.float32],
    candidate: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    positions: Sequence[int],
) -> tuple[ImageChange, ...]:
    """Describe the images at `positions`; probabilities are float32 ``(n, classes)``, labels int64 ``(n,)``."""
    return tuple(_image_change(reference[at], candidate[at], int(labels[at]), int(at)) for at in positions)


def _image_change(
    before: npt.NDArray[np.float32], after: npt.NDArray[np.float32], label: int, image: int
) -> ImageChange:
    old, new = int(before.argmax()), int(after.argmax())
    return ImageChange(
        image=image,
        label=label,
        reference=old,
        reference_probability=float(before[old]),
        candidate=new,
        candidate_probability=float(after[new]),
        change=float(np.abs(after - before).max()),
    )


def probability_change(
    reference: npt.NDArray[np.float32], candidate: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> ProbabilityChange:
    """Measure how far the probabilities, float32 ``(n, classes)``, moved; n is at least 1.

    >>> before = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)
    >>> after = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    >>> moved = probability_change(before, after, np.array([0, 0]))
    >>> moved.mean, moved.largest[0].image, moved.largest[0].change
    (0.25, 0, 0.5)
    """
    moved = np.abs(candidate.astype(np.float64) - reference).max(axis=1)
    order = np.argsort(-moved, kind="stable")[:LARGEST]
    largest = image_changes(reference, candidate, labels, order.tolist())
    return ProbabilityChange(mean=float(moved.mean()), p99=float(np.percentile(moved, 99)), largest=largest)
