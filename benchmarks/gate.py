"""The gate: a limit on what a candidate may lose, for use in anybody's continuous integration."""

from __future__ import annotations

import math
from typing import Any

from ..common.errors import EdgeError
from .tables import interval_text


def gate_failures(report: dict[str, Any], *, max_drop_points: float) -> list[str]:
    """Say of every candidate whose drop may exceed the limit why it fails; an empty list means that all pass.

    A candidate passes when the upper end of the 95% interval of its drop is within the limit, not when the drop itself
    is: with few images, a small drop proves little.

    Raises:
        EdgeError: the limit is no number, or there is no candidate, so that everything would pass.
    """
    if len(report["models"]) < 2:
        raise EdgeError("nothing to hold against the limit", expected="a candidate besides the reference", got="none")
    verdicts = (drop_failure(model["name"], model["comparison"], max_drop_points) for model in report["models"][1:])
    return [failure for failure in verdicts if failure is not None]


def drop_failure(name: str, comparison: dict[str, Any], max_drop_points: float) -> str | None:
    """Say why a candidate's drop may exceed the limit, or None where it cannot.

    Args:
        name: of the candidate.
        comparison: as in the report.
        max_drop_points: the limit, in percentage points.

    Raises:
        EdgeError: the limit is no number, so that everything would pass.
    """
    if not math.isfinite(max_drop_points):
        raise EdgeError("unusable limit", expected="a number of percentage points", got=str(max_drop_points))
    high = comparison["accuracy_drop_ci95"][1]
    if high <= max_drop_points:
        return None
    return (
        f"{name} fails: its drop of {interval_text(comparison)} points may reach {high:.2f}, "
        f"which is {high - max_drop_points:.2f} over the limit of {max_drop_points:g}"
    )
