"""The gate: a limit on what a candidate may lose, for use in anybody's continuous integration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..common.errors import EdgeError
from .tables import interval_text


def gate_failures(
    report: dict[str, Any], *, max_drop_points: float | None = None, max_class_drop_points: float | None = None
) -> list[str]:
    """Say of every candidate whose drop may exceed a limit why it fails; an empty list means that all pass.

    A candidate passes when the upper end of the 95% interval of its drop is within the limit, not when the drop itself
    is: with few images, a small drop proves little. The same goes for the recall of every class.

    Args:
        report: the report; its first model is the reference.
        max_drop_points: limit of the drop in accuracy; None for no such limit.
        max_class_drop_points: limit of the drop in any class's recall; None for no such limit.

    Raises:
        EdgeError: the limit is no number, or there is no candidate, so that everything would pass.
    """
    if len(report["models"]) < 2:
        raise EdgeError("nothing to hold against the limit", expected="a candidate besides the reference", got="none")
    failures: list[str | None] = []
    for model in report["models"][1:]:
        name, comparison = model["name"], model["comparison"]
        if max_drop_points is not None:
            failures.append(drop_failure(name, comparison, max_drop_points))
        if max_class_drop_points is not None:
            failures.append(class_failure(name, comparison["classes"], max_class_drop_points))
    return [failure for failure in failures if failure is not None]


def drop_failure(name: str, comparison: dict[str, Any], max_drop_points: float) -> str | None:
    """Say why a candidate's drop may exceed the limit, or None where it cannot.

    Args:
        name: of the candidate.
        comparison: as in the report.
        max_drop_points: the limit, in percentage points.

    Raises:
        EdgeError: the limit is no number, so that everything would pass.
    """
    _require_number(max_drop_points)
    high = comparison["accuracy_drop_ci95"][1]
    if high <= max_drop_points:
        return None
    return (
        f"{name} fails: its drop of {interval_text(comparison)} points may reach {high:.2f}, "
        f"which is {high - max_drop_points:.2f} over the limit of {max_drop_points:g}"
    )


def class_failure(name: str, changes: Sequence[dict[str, Any]], max_class_drop_points: float) -> str | None:
    """Say which classes' recall may drop by more than the limit, or None where none can.

    Args:
        name: of the candidate.
        changes: ``classes`` of the comparison in the report.
        max_class_drop_points: the limit, in percentage points.

    Raises:
        EdgeError: the limit is no number, so that everything would pass.
    """
    _require_number(max_class_drop_points)
    over = [
        f"{change['label']} loses {change['recall_drop']:.1f} points and may lose {change['recall_drop_ci95'][1]:.1f}"
        for change in sorted(changes, key=lambda change: -change["recall_drop"])
        if change["recall_drop_ci95"] is not None and change["recall_drop_ci95"][1] > max_class_drop_points
    ]
    return f"{name} fails: {'; '.join(over)}; the limit of a class is {max_class_drop_points:g}" if over else None


def _require_number(limit: float) -> None:
    if not math.isfinite(limit):
        raise EdgeError("unusable limit", expected="a number of percentage points", got=str(limit))
