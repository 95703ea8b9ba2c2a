"""Confusion matrices as tables: the float model's, an exported one's, and what changed, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .markup import Markup, details, join, section, tag

_STRONGEST = 0.75
"""No cell is coloured so strongly that its number is hard to read."""


def matrices_section(report: dict[str, Any], chosen: str | None) -> Markup:
    """Return the matrices of every candidate beside the reference's; the chosen one's are open."""
    reference, *candidates = report["models"]
    labels = report["labels"]
    note = (
        "Rows are what an image shows, columns what the model says. Right answers are bold, mistakes are shaded by how "
        "many they are. In the difference, blue is for the better (more right or fewer wrong answers) and red for the "
        "worse."
    )
    if not candidates:
        matrices = tag("div", _matrix(reference["confusion_matrix"], labels, _title(reference)), class_="matrices")
        return section("matrices", "Confusion matrices", tag("p", note, class_="note"), matrices)
    opened = chosen if chosen in {model["name"] for model in candidates} else candidates[0]["name"]
    parts = (_side_by_side(reference, model, labels, open_=model["name"] == opened) for model in candidates)
    return section("matrices", "Confusion matrices", tag("p", note, class_="note"), parts)


def _side_by_side(reference: dict[str, Any], model: dict[str, Any], labels: Sequence[str], *, open_: bool) -> Markup:
    before, after = np.array(reference["confusion_matrix"]), np.array(model["confusion_matrix"])
    changed = int(np.count_nonzero(before != after))
    tables = [
        _matrix(before, labels, _title(reference)),
        _matrix(after, labels, _title(model)),
        _difference(after - before, labels, "difference (second minus first)"),
    ]
    summary = f"{model['name']} against {reference['name']}: {changed} of {before.size} cells differ"
    return details(summary, tag("div", tables, class_="matrices"), open_=open_)


def _title(model: dict[str, Any]) -> str:
    return f"{model['name']} ({model['accuracy']:.2%})"


def _matrix(counts: Any, labels: Sequence[str], title: str) -> Markup:
    matrix = np.array(counts)
    errors = matrix - np.diag(np.diag(matrix))
    top = max(1, int(errors.max()))
    rows = (
        [
            _count(int(matrix[row, column]), int(errors[row, column]) / top, right=row == column)
            for column in range(len(labels))
        ]
        for row in range(len(labels))
    )
    return _table(rows, labels, title)


def _count(count: int, share: float, *, right: bool) -> Markup:
    if right:
        return tag("td", str(count), class_="right")
    return tag("td", str(count), class_=None if count else "zero", style=_strength(share) if count else None)


def _difference(changes: npt.NDArray[np.int64], labels: Sequence[str], title: str) -> Markup:
    top = max(1, int(np.abs(changes).max()))
    rows = (
        [_change(int(changes[row, column]), top, right=row == column) for column in range(len(labels))]
        for row in range(len(labels))
    )
    return _table(rows, labels, title)


def _change(change: int, top: int, *, right: bool) -> Markup:
    """Write one difference; more right answers are a gain, more wrong ones a loss."""
    if not change:
        return tag("td", tag("span", "0", aria_hidden="false"), class_="zero")
    kind = "gain" if (change > 0) == right else "loss"
    return tag("td", f"{change:+d}", class_=kind, style=_strength(abs(change) / top))


def _strength(share: float) -> str:
    return f"--s:{0.1 + (_STRONGEST - 0.1) * share:.2f}"


def _table(rows: Any, labels: Sequence[str], title: str) -> Markup:
    corner = tag("th", "true \\ said", scope="col")
    head = tag("tr", corner, (tag("th", tag("span", label), scope="col") for label in labels))
    body = (tag("tr", tag("th", label, scope="row"), join(cells)) for label, cells in zip(labels, rows, strict=True))
    return tag("table", tag("caption", title), tag("thead", head), tag("tbody", body), class_="matrix")
