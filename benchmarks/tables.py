"""The report's tables and sentences, as rows of text: shared by the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT_MARGIN_POINTS = 0.5
"""A loss that is called small where the user states no limit of their own."""


@dataclass(frozen=True)
class Table:
    """A titled table of text; the first column names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def as_markdown(table: Table) -> str:
    """Align the columns; the result reads well on a terminal and is a table in Markdown.

    >>> print(as_markdown(Table("", ["a", "b"], [["x", "10"]])))
    | a |  b |
    |:--|---:|
    | x | 10 |
    """
    cells = [[_escape(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(2, *(len(row[column]) for row in cells)) for column in range(len(table.header))]
    widths[0] = max(len(row[0]) for row in cells)
    lines = [_line(row, widths) for row in cells]
    rule = [":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "| " + " | ".join(cells) + " |"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def models_table(report: dict[str, Any]) -> Table:
    """All models: accuracy, what was lost, size, and where measured latency, cold start and memory."""
    header = ["model", "accuracy", "drop (points, 95%)", "same answer", "size"]
    measured = any(model["latency_ms"] for model in report["models"])
    if measured:
        header += ["p50 ms", "p90 ms", "p99 ms", "cold start ms", "peak MiB"]
    rows = [_model_row(model) + (_speed_cells(model) if measured else []) for model in report["models"]]
    return Table("Models", header, rows)


def _model_row(model: dict[str, Any]) -> list[str]:
    comparison = model["comparison"]
    drop = interval_text(comparison) if comparison else "reference"
    agreement = f"{comparison['agreement']:.2%}" if comparison else "—"
    return [model["name"], f"{model['accuracy']:.2%}", drop, agreement, size_text(model["size_bytes"])]


def _speed_cells(model: dict[str, Any]) -> list[str]:
    latency = model["latency_ms"]
    if not latency:
        return ["—"] * 5
    times = [f"{latency[key]:.3f}" for key in ("p50", "p90", "p99")]
    return [*times, f"{model['cold_start_ms']:.0f}", f"{model['peak_rss_bytes'] / 2**20:.0f}"]


def interval_text(comparison: dict[str, Any]) -> str:
    """Write a drop with its interval.

    >>> interval_text({"accuracy_drop": 0.13, "accuracy_drop_ci95": [-0.047, 0.307]})
    '+0.13 (-0.05 to +0.31)'
    """
    low, high = comparison["accuracy_drop_ci95"]
    return f"{comparison['accuracy_drop']:+.2f} ({low:+.2f} to {high:+.2f})"


def size_text(size_bytes: int) -> str:
    """Write a size in decimal units, as file managers do.

    >>> size_text(97_000), size_text(32_123_456)
    ('97.0 kB', '32.1 MB')
    """
    return f"{size_bytes / 1e3:.1f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"


def class_table(model: dict[str, Any]) -> Table:
    """One model's counts of every class."""
    header = ["class", "TP", "FP", "TN", "FN", "precision", "recall", "F1"]
    rows = [
        [
            scores["label"],
            *(str(scores[key]) for key in ("tp", "fp", "tn", "fn")),
            *(f"{scores[key]:.3f}" for key in ("precision", "recall", "f1")),
        ]
        for scores in model["per_class"]
    ]
    return Table(f"{model['name']}: each class against all others", header, rows)


def confusion_table(model: dict[str, Any], labels: Sequence[str]) -> Table:
    """One model's confusion matrix; rows true, columns predicted."""
    rows = [
        [label, *(str(count) for count in row)] for label, row in zip(labels, model["confusion_matrix"], strict=True)
    ]
    return Table(f"{model['name']}: confusion matrix (rows true, columns predicted)", ["true", *labels], rows)


def plain_text(value: object) -> str:
    """Write one value of the method, the machine or the versions.

    >>> plain_text(["avx2", "avx512f"]), plain_text(None), plain_text(1)
    ('avx2, avx512f', 'unknown', '1')
    """
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def verdicts(report: dict[str, Any], *, margin_points: float = DEFAULT_MARGIN_POINTS) -> list[str]:
    """Say in one sentence a candidate what it costs and what it buys."""
    reference = report["models"][0]
    opening = f"{reference['name']} is right on {reference['accuracy']:.2%} of {report['dataset']['n']:,} images."
    return [opening, *(_verdict(model, reference, margin_points) for model in report["models"][1:])]


def _verdict(model: dict[str, Any], reference: dict[str, Any], margin_points: float) -> str:
    comparison = model["comparison"]
    high = comparison["accuracy_drop_ci95"][1]
    judged = "as good as the reference" if high <= margin_points else "not shown to be as good as the reference"
    ratio = reference["size_bytes"] / model["size_bytes"]
    size = "of the same size" if 0.95 < ratio < 1.05 else _times(ratio, "smaller", "larger")
    return (
        f"{model['name']} is {judged} within {margin_points:g} points: its drop is {interval_text(comparison)} points, "
        f"it answers {comparison['agreement']:.2%} of the images alike ({comparison['flips']} differ, "
        f"{comparison['lost']} for the worse, {comparison['won']} for the better), and it is {size}."
    )


def _times(ratio: float, more: str, less: str) -> str:
    """Say a ratio in words that fit its direction.

    >>> _times(3.6, "faster", "slower"), _times(0.5, "faster", "slower")
    ('3.6 times faster', '2.0 times slower')
    """
    return f"{ratio:.1f} times {more}" if ratio >= 1 else f"{1 / ratio:.1f} times {less}"


def key_lines(report: dict[str, Any]) -> list[str]:
    """Return the lines that matter: the reference's accuracy, what int8 lost in each format, and what it gained."""
    reference = report["models"][0]
    int8 = [model for model in report["models"][1:] if model["recipe"] == "int8"]
    kind = "float:" if reference["recipe"] == "float32" else f"{reference['recipe']}:"
    right = f"{reference['accuracy']:.2%} of {report['dataset']['n']:,} {report['dataset']['split']} images right"
    lines = [f"{kind:<7} {right} ({reference['name']})"]
    lines += [f"int8:   {model['accuracy']:.2%}, {_loss_text(model)} ({model['name']})" for model in int8]
    lines += [_gain_text(model, report) for model in int8[:1]]
    return lines


def _loss_text(model: dict[str, Any]) -> str:
    comparison = model["comparison"]
    return f"drop {interval_text(comparison)} points, {comparison['agreement']:.2%} of the answers unchanged"


def _gain_text(model: dict[str, Any], report: dict[str, Any]) -> str:
    """Compare with the float32 file of the same format, which is what one would ship instead."""
    rivals = [
        other for other in report["models"] if other["recipe"] == "float32" and other["format"] == model["format"]
    ]
    if not rivals or not model["latency_ms"] or not rivals[0]["latency_ms"]:
        return f"gained: {size_text(model['size_bytes'])} instead of {size_text(report['models'][0]['size_bytes'])}"
    rival = rivals[0]
    p50 = model["latency_ms"]["p50"]
    speed = _times(rival["latency_ms"]["p50"] / p50, "faster", "slower")
    size = _times(rival["size_bytes"] / model["size_bytes"], "smaller", "larger")
    return f"gained: {size}, {speed} ({p50:.2f} ms) than {rival['name']}"
