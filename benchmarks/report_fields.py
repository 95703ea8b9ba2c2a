"""What must hold of the fields that two reports are compared by: a report may come from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MOST_LABELS = 10
"""Answers are written with one digit an image."""
_Check = Callable[[Any], bool]


def fault_of_report(report: Mapping[str, Any]) -> str:
    """Say which field of a report is not what docs/report.schema.json says, or nothing.

    >>> fault_of_report({"labels": ["Bag", "Coat"]})
    'no dataset'
    >>> fault_of_report({"labels": ["Bag", "Coat"], "dataset": 1})
    'unusable dataset'
    """
    fault = _fault(report, _REPORT)
    if fault:
        return fault
    digits = "0123456789"[: len(report["labels"])]
    truth = report["dataset"]["answers"]
    for model in report["models"]:
        fault = _fault(model, _MODEL) if isinstance(model, dict) else "unusable models"
        if fault:
            return fault
        if len(model["answers"]) != len(truth) or set(model["answers"] + truth) - set(digits):
            return "unusable answers"
    return ""


def _fault(content: Mapping[str, Any], checks: Mapping[str, _Check]) -> str:
    for name, holds in checks.items():
        if name not in content:
            return f"no {name}"
        if not holds(content[name]):
            return f"unusable {name}"
    return ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_labels(value: Any) -> bool:
    return _are_texts(value) and 1 <= len(value) <= MOST_LABELS


def _is_between(low: float, high: float) -> _Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


_IS_TIME = _is_between(1e-9, 1e9)
"""Milliseconds, from below a clock's step to more than a week: no ratio of two overflows."""


def _is_interval(value: Any) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(_IS_TIME, value)))


def _is_latency(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and not _fault(value, {"p50": _IS_TIME, "p50_ci95": _is_interval}))


def _is_dataset(value: Any) -> bool:
    return isinstance(value, dict) and not _fault(value, dict.fromkeys(("split", "sha256", "answers"), _is_text))


def _are_conditions(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and not _fault(value, {"disturbances": _are_texts}))


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_REPORT: Mapping[str, _Check] = {
    "dataset": _is_dataset,
    "labels": _are_labels,
    "models": _is_list,
    "machine": _is_map,
    "method": _is_map,
    "conditions": _are_conditions,
}
_MODEL: Mapping[str, _Check] = {
    "name": _is_text,
    "sha256": _is_text,
    "size_bytes": _is_between(1, 2**63),
    "accuracy": _is_between(0, 1),
    "answers": _is_text,
    "latency_ms": _is_latency,
}
