"""Pictures shared by the training run and the report. Drawn without pyplot: no global state, no display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ..common.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .evaluation import Evaluation

DPI = 110


def save_figure(figure: Figure, path: Path) -> Path:
    """Write `figure` as PNG, atomically, and return `path`."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
    return path


def draw_confusion_matrix(
    axes: Axes,
    matrix: npt.NDArray[np.int64],
    class_names: Sequence[str],
    *,
    title: str,
    difference: bool = False,
) -> None:
    """Draw a confusion matrix with its counts in the cells; rows true, columns predicted.

    Args:
        axes: where to draw.
        matrix: int64 ``(classes, classes)``; counts, or differences of counts.
        class_names: in label order.
        title: above the matrix.
        difference: colour what got better blue and what got worse red (more right answers are better, more wrong ones
            worse), put a sign on each number, and leave zeros empty.
    """
    diagonal = np.diag(np.diag(matrix))
    errors = matrix - diagonal
    shown = diagonal - errors if difference else errors  # right answers would outshine all errors
    top = max(1, int(np.abs(shown).max()))
    axes.imshow(shown, cmap="RdBu" if difference else "Oranges", vmin=-top if difference else 0, vmax=top)
    for (row, column), count in np.ndenumerate(matrix):
        if difference and count == 0:
            continue
        _write_cell(
            axes,
            row,
            column,
            f"{count:+d}" if difference else str(count),
            dark=bool(abs(shown[row, column]) > 0.6 * top),
        )
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel="predicted", ylabel="true", title=title)


def _write_cell(axes: Axes, row: int, column: int, text: str, *, dark: bool) -> None:
    weight = "bold" if row == column else "normal"
    axes.text(
        column, row, text, ha="center", va="center", fontsize=8, weight=weight, color="white" if dark else "black"
    )


def draw_class_counts(axes: Axes, evaluation: Evaluation) -> None:
    """Draw the table of true and false positives and negatives, precision, recall and F1 of every class."""
    header = ["TP", "FP", "TN", "FN", "precision", "recall", "F1"]
    rows = [
        [str(s.tp), str(s.fp), str(s.tn), str(s.fn), f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}"]
        for s in evaluation.per_class
    ]
    names = [scores.label for scores in evaluation.per_class]
    axes.axis("off")
    table = axes.table(cellText=rows, rowLabels=names, colLabels=header, loc="upper center", cellLoc="right")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.5)


def save_evaluation(evaluation: Evaluation, path: Path, *, title: str) -> Path:
    """Write a PNG with the confusion matrix and, beside it, the counts of every class."""
    names = [scores.label for scores in evaluation.per_class]
    figure = Figure(figsize=(15, 6.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_confusion_matrix(left, evaluation.confusion_matrix, names, title=title)
    draw_class_counts(right, evaluation)
    right.set_title("each class against all others")
    return save_figure(figure, path)


def save_image_grid(
    images: npt.NDArray[np.uint8], captions: Sequence[str], path: Path, *, title: str, columns: int = 6
) -> Path:
    """Write a PNG of small images, uint8 ``(n, 28, 28)``, each under its caption; n may be 0."""
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(2.1 * columns, 2.5 * rows + 0.6), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, fontsize=9)
    return save_figure(figure, path)
