"""One model on one split: accuracy with its interval, the confusion matrix, and the counts of every class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError

Z95 = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution, for intervals of 95%."""


@dataclass(frozen=True)
class ClassScores:
    """Counts and ratios of one class against all others.

    Attributes:
        label: class name.
        tp: images of this class that were called so (true positives).
        fp: images of other classes that were called so (false positives).
        tn: images of other classes that were called something else (true negatives).
        fn: images of this class that were called something else (false negatives).
        precision: ``tp / (tp + fp)``, 0 when nothing was called so.
        recall: ``tp / (tp + fn)``, 0 when the class has no images.
        f1: harmonic mean of precision and recall.
    """

    label: str
    tp: int
    fp: int
    tn: int
    fn: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """One model on one split.

    Attributes:
        n: number of images.
        accuracy: share of right answers, in [0, 1].
        accuracy_ci95: Wilson's 95% interval of the accuracy.
        confusion_matrix: int64 ``(classes, classes)``, rows true, columns predicted.
        per_class: one entry a class, in label order.
    """

    n: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    confusion_matrix: npt.NDArray[np.int64]
    per_class: tuple[ClassScores, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_ci95": list(self.accuracy_ci95),
            "confusion_matrix": self.confusion_matrix.tolist(),
            "per_class": [asdict(scores) for scores in self.per_class],
        }


def evaluate(predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], class_names: Sequence[str]) -> Evaluation:
    """Score the answers of one model.

    Args:
        predicted: int64 ``(n,)``, the model's classes.
        labels: int64 ``(n,)``, the true classes.
        class_names: their names, in label order.

    Raises:
        EdgeError: no images, or another number of answers than labels.

    >>> evaluate(np.array([0, 1, 1]), np.array([0, 1, 0]), ["a", "b"]).confusion_matrix.tolist()
    [[1, 1], [0, 1]]
    """
    if predicted.shape != labels.shape or not labels.size:
        raise EdgeError("cannot evaluate", expected=f"{labels.size or 'some'} answers", got=str(predicted.size))
    matrix = confusion_matrix(predicted, labels, classes=len(class_names))
    correct = int(np.trace(matrix))
    return Evaluation(
        n=labels.size,
        accuracy=correct / labels.size,
        accuracy_ci95=wilson_interval(correct, labels.size),
        confusion_matrix=matrix,
        per_class=tuple(class_scores(matrix, index, name) for index, name in enumerate(class_names)),
    )


def confusion_matrix(
    predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], *, classes: int
) -> npt.NDArray[np.int64]:
    """Count every pair of true and predicted class; rows true, columns predicted, int64 ``(classes, classes)``."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def class_scores(matrix: npt.NDArray[np.int64], index: int, name: str) -> ClassScores:
    """Read the counts of class `index` off a confusion matrix.

    >>> class_scores(np.array([[3, 1], [2, 4]]), 0, "a")
    ClassScores(label='a', tp=3, fp=2, tn=4, fn=1, precision=0.6, recall=0.75, f1=0.6666666666666666)
    """
    tp = int(matrix[index, index])
    fp = int(matrix[:, index].sum()) - tp
    fn = int(matrix[index].sum()) - tp
    return ClassScores(
        label=name,
        tp=tp,
        fp=fp,
        tn=int(matrix.sum()) - tp - fp - fn,
        fn=fn,
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
    )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share, which holds up near 0 and 1 too.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).

    >>> tuple(round(edge, 4) for edge in wilson_interval(9136, 10000))
    (0.9079, 0.9189)
    """
    share = successes / n
    spread = Z95**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return middle - half if successes else 0.0, middle + half if successes < n else 1.0  # these two without rounding


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
