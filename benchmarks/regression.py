"""Two reports of the same images held against each other: what got better, what got worse, and what is only noise."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.files import read_json
from .changes import class_changes
from .comparison import compare
from .evaluation import evaluate
from .gate import class_failure
from .report import SCHEMA_VERSION
from .report_fields import fault_of_report
from .tables import Table, interval_text, size_text

Report = dict[str, Any]
NOISE = 0.05
"""Two benchmarks of the same files on the same quiet machine differ by up to so much."""
_SAME_MACHINE = ("architecture", "board", "processor", "cores")


@dataclass(frozen=True)
class Limits:
    """What may get worse before it is called a regression; None for no limit.

    Attributes:
        drop_points: of accuracy, in percentage points; the upper end of the 95% interval counts.
        class_drop_points: of any class's recall, likewise.
        slowdown_percent: of the median latency.
        growth_percent: of the file.
    """

    drop_points: float | None = 0.5
    class_drop_points: float | None = None
    slowdown_percent: float | None = 10.0
    growth_percent: float | None = 10.0

    def __post_init__(self) -> None:
        for name, limit in asdict(self).items():
            if limit is not None and not math.isfinite(limit):
                raise EdgeError("unusable limit", expected=f"a number for {name}", got=str(limit))


def read_report(path: Path) -> Report:
    """Read a report.json, or that of a report's folder.

    Raises:
        EdgeError: missing, not a report, or one of another schema version.
    """
    file = path / "report.json" if path.is_dir() else path
    content = read_json(file)
    if not isinstance(content, dict) or "schema_version" not in content:
        raise EdgeError(f"cannot use {file}", expected="a report.json", got="something else")
    if content["schema_version"] != SCHEMA_VERSION:
        expected, got = f"schema version {SCHEMA_VERSION}", repr(content["schema_version"])
        hint = "run fmnist-edge benchmark again with this version"
        raise EdgeError(f"cannot use {file}", expected=expected, got=got, hint=hint)
    return content


def compare_reports(old: Report, new: Report, limits: Limits) -> Report:
    """Compare all models that both reports have, by name.

    Returns:
        ``models``, each with its changes; ``added`` and ``removed`` names; ``notes``; and ``failures``: the sentences
        that say which limit was broken, none if none was.

    Raises:
        EdgeError: other images, no model in common, or a damaged report.
    """
    for report in (old, new):
        _require_whole(report)
    try:
        return _compare(old, new, limits)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise _damaged(f"{type(error).__name__} {error}") from error


def _require_whole(report: Report) -> None:
    fault = fault_of_report(report)
    if fault:
        raise _damaged(fault)


def _damaged(got: str) -> EdgeError:
    return EdgeError("a report is damaged", expected="what docs/report.schema.json says", got=got)


def _compare(old: Report, new: Report, limits: Limits) -> Report:
    before, after = old["dataset"], new["dataset"]
    if (before["split"], before["sha256"]) != (after["split"], after["sha256"]):
        expected, got = (f"{part['split']}, SHA-256 {part['sha256'][:8]}…" for part in (before, after))
        raise EdgeError("the reports are about other images", expected=expected, got=got)
    earlier = {model["name"]: model for model in old["models"]}
    later = {model["name"]: model for model in new["models"]}
    shared = [name for name in later if name in earlier]
    if not shared:
        raise EdgeError("the reports have no model in common", expected=", ".join(earlier), got=", ".join(later))
    notes = _notes(old, new)
    timed = not any(note.startswith("latency is not compared") for note in notes)
    models = [_model(earlier[name], later[name], new, limits, timed=timed) for name in shared]
    return {
        "models": models,
        "added": [name for name in later if name not in earlier],
        "removed": [name for name in earlier if name not in later],
        "notes": notes,
        "failures": [failure for model in models for failure in model.pop("failures")],
    }


def _notes(old: Report, new: Report) -> list[str]:
    notes = []
    differs = [key for key in _SAME_MACHINE if old["machine"][key] != new["machine"][key]]
    if differs:
        notes.append(f"latency is not compared: another machine ({', '.join(differs)})")
    elif old["method"].get("threads") != new["method"].get("threads"):
        notes.append("latency is not compared: another number of threads")
    for name, report in (("old", old), ("new", new)):
        if report["conditions"] and report["conditions"]["disturbances"]:
            notes.append(f"the {name} report was disturbed: {'; '.join(report['conditions']['disturbances'])}")
    return notes


def _model(old: Report, new: Report, report: Report, limits: Limits, *, timed: bool) -> Report:
    labels, before, after = (_classes(text) for text in (report["dataset"]["answers"], old["answers"], new["answers"]))
    accuracy = compare(before, after, labels, reference_name=old["name"])
    scores = [evaluate(answers, labels, report["labels"]) for answers in (before, after)]
    classes = [change.as_json() for change in class_changes(before, after, labels, *scores)]
    found: Report = {
        "name": new["name"],
        "same_file": old["sha256"] == new["sha256"],
        "accuracy": {
            "old": old["accuracy"],
            "new": new["accuracy"],
            "drop": accuracy.accuracy_drop,
            "drop_ci95": list(accuracy.accuracy_drop_ci95),
            "flips": accuracy.flips,
            "mcnemar_p": accuracy.mcnemar_p,
            "verdict": _accuracy_verdict(accuracy.flips, accuracy.accuracy_drop_ci95),
        },
        "size_bytes": {"old": old["size_bytes"], "new": new["size_bytes"]},
        "latency_ms": _latency(old["latency_ms"], new["latency_ms"]) if timed else None,
    }
    found["failures"] = _failures(found, classes, limits)
    return found


def _classes(text: str) -> npt.NDArray[np.int64]:
    """Read one digit an image.

    >>> _classes("921").tolist()
    [9, 2, 1]
    """
    return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - ord("0")


def _accuracy_verdict(flips: int, interval: tuple[float, float]) -> str:
    if not flips:
        return "same"
    if interval[0] > 0:
        return "worse"
    return "better" if interval[1] < 0 else "within noise"


def _latency(old: Report | None, new: Report | None) -> Report | None:
    """Compare two medians; the interval of their ratio is the widest that their own intervals allow."""
    if not old or not new:
        return None
    ratio = new["p50"] / old["p50"]
    interval = None
    if old["p50_ci95"] and new["p50_ci95"]:
        interval = [new["p50_ci95"][0] / old["p50_ci95"][1], new["p50_ci95"][1] / old["p50_ci95"][0]]
    low, high = interval or (ratio, ratio)
    verdict = "within noise"
    if low > 1 and ratio > 1 + NOISE:
        verdict = "slower"
    elif high < 1 and ratio < 1 - NOISE:
        verdict = "faster"
    return {"old": old["p50"], "new": new["p50"], "ratio": ratio, "ratio_ci95": interval, "verdict": verdict}


def _failures(found: Report, classes: list[Report], limits: Limits) -> list[str]:
    name, accuracy, size, latency = (found[key] for key in ("name", "accuracy", "size_bytes", "latency_ms"))
    failures = []
    high = accuracy["drop_ci95"][1]
    if limits.drop_points is not None and accuracy["flips"] and high > limits.drop_points:
        drop = interval_text({"accuracy_drop": accuracy["drop"], "accuracy_drop_ci95": accuracy["drop_ci95"]})
        failures.append(f"{name} may have lost {high:.2f} points ({drop}), over the limit of {limits.drop_points:g}")
    if limits.class_drop_points is not None and accuracy["flips"]:
        failure = class_failure(name, classes, limits.class_drop_points)
        failures += [failure] if failure else []
    if limits.slowdown_percent is not None and latency and latency["verdict"] == "slower":
        slower = 100 * (latency["ratio"] - 1)
        if slower > limits.slowdown_percent:
            said = f"{latency['new']:.3f} instead of {latency['old']:.3f} ms"
            failures.append(f"{name} is {slower:.0f}% slower ({said}), over the limit of {limits.slowdown_percent:g}%")
    growth = 100 * (size["new"] / size["old"] - 1)
    if limits.growth_percent is not None and growth > limits.growth_percent:
        said = f"{size_text(size['new'])} instead of {size_text(size['old'])}"
        failures.append(f"{name} is {growth:.0f}% larger ({said}), over the limit of {limits.growth_percent:g}%")
    return failures


def regression_table(found: Report) -> Table:
    """Write the changes as rows of text."""
    header = ["model", "accuracy", "drop (points, 95%)", "answers changed", "p50 ms", "ratio", "size"]
    rows = []
    for model in found["models"]:
        accuracy, latency, size = model["accuracy"], model["latency_ms"], model["size_bytes"]
        drop = interval_text({"accuracy_drop": accuracy["drop"], "accuracy_drop_ci95": accuracy["drop_ci95"]})
        times = ["—", "not compared"]
        if latency:
            times = [f"{latency['old']:.3f} → {latency['new']:.3f}", f"{latency['ratio']:.2f}, {latency['verdict']}"]
        rows.append(
            [
                model["name"],
                f"{accuracy['old']:.2%} → {accuracy['new']:.2%}",
                f"{drop}, {accuracy['verdict']}",
                f"{accuracy['flips']:,}",
                *times,
                f"{size_text(size['old'])} → {size_text(size['new'])}",
            ]
        )
    return Table("Changes", header, rows)
