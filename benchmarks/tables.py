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
    """All models: accuracy, what was lost, size, and where measured speed, start, memory and instructions."""
    models = report["models"]
    columns: dict[str, list[str]] = {
        "accuracy": [f"{model['accuracy']:.2%}" for model in models],
        "drop (points, 95%)": [
            interval_text(model["comparison"]) if model["comparison"] else "reference" for model in models
        ],
        "same answer": [_share_text(model["comparison"]) for model in models],
        "size": [size_text(model["size_bytes"]) for model in models],
    }
    if any(model["latency_ms"] for model in models):
        mark = "~" if disturbance_line(report) else ""
        for key in ("p50", "p90", "p99"):
            columns[f"{key} ms"] = [_or_dash(model["latency_ms"], key, ".3f", mark=mark) for model in models]
        for key, title in (("batch1", "images/s"), ("batch32", "images/s by 32")):
            columns[title] = [_or_dash(model["images_per_second"], key, ",.0f", mark=mark) for model in models]
        columns["cold start ms"] = [_or_dash(model, "cold_start_ms", ".0f") for model in models]
        columns["peak MiB"] = [_or_dash(model, "peak_rss_bytes", ".0f", unit=2**20) for model in models]
    for board in boards_of(report):
        counts = [board_count(model, board) for model in models]
        columns[f"{board} M instr."] = ["—" if count is None else f"{count / 1e6:.2f}" for count in counts]
    cells = zip(*columns.values(), strict=True)
    rows = [[model["name"], *row] for model, row in zip(models, cells, strict=True)]
    return Table("Models", ["model", *columns], rows)


def boards_of(report: dict[str, Any]) -> list[str]:
    """Return the names of the emulated boards in a report, in order."""
    return list(dict.fromkeys(count["board"] for model in report["models"] for count in model["boards"]))


def board_count(model: dict[str, Any], board: str) -> int | None:
    """Return a model's instructions per image on a board; None where they were not counted."""
    counts = [count["instructions_per_image"] for count in model["boards"] if count["board"] == board]
    return counts[0] if counts else None


def _share_text(comparison: dict[str, Any] | None) -> str:
    return f"{comparison['agreement']:.2%}" if comparison else "—"


def _or_dash(figures: dict[str, Any] | None, key: str, form: str, *, unit: float = 1, mark: str = "") -> str:
    value = figures[key] if figures else None
    return "—" if value is None else mark + format(value / unit, form)


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


def change_table(model: dict[str, Any]) -> Table:
    """What a candidate lost of each class, against the reference."""
    header = ["class", "lost", "won", "recall lost (points, 95%)", "precision lost", "F1 lost"]
    rows = [
        [
            change["label"],
            str(change["lost"]),
            str(change["won"]),
            _recall_text(change),
            f"{change['precision_drop']:+.2f}",
            f"{change['f1_drop']:+.2f}",
        ]
        for change in model["comparison"]["classes"]
    ]
    return Table(f"{model['name']}: what each class lost", header, rows)


def _recall_text(change: dict[str, Any]) -> str:
    if change["recall_drop_ci95"] is None:
        return "no images"
    low, high = change["recall_drop_ci95"]
    return f"{change['recall_drop']:+.2f} ({low:+.2f} to {high:+.2f})"


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


_JUDGED = {
    "better": "is right more often than the reference",
    "as good": "is as good as the reference within {margin:g} points",
    "not shown": "is not shown to be as good as the reference within {margin:g} points",
    "worse": "is worse than the reference by more than {margin:g} points",
}


def verdicts(report: dict[str, Any]) -> list[str]:
    """Say in one sentence a candidate what it costs and what it buys."""
    reference = report["models"][0]
    opening = f"{reference['name']} is right on {reference['accuracy']:.2%} of {report['dataset']['n']:,} images."
    return [opening, *(_verdict(model, reference) for model in report["models"][1:])]


def _verdict(model: dict[str, Any], reference: dict[str, Any]) -> str:
    comparison = model["comparison"]
    judged = _JUDGED[comparison["verdict"]].format(margin=comparison["margin_points"])
    ratio = reference["size_bytes"] / model["size_bytes"]
    size = "of the same size" if 0.95 < ratio < 1.05 else times_text(ratio, "smaller", "larger")
    found = "".join(f" But {finding}." for finding in model["findings"])
    return (
        f"{model['name']} {judged}: its drop is {interval_text(comparison)} points, "
        f"it answers {comparison['agreement']:.2%} of the images alike ({comparison['flips']} differ, "
        f"{comparison['lost']} for the worse, {comparison['won']} for the better), and it is {size}.{found}"
    )


def recommendation_lines(report: dict[str, Any]) -> list[str]:
    """Say which file to ship for each target, and why."""
    choices = report["recommendation"]["choices"]
    return [f"for {choice['title']}: {choice_text(choice)}. {choice['why']}" for choice in choices]


def choice_text(choice: dict[str, Any]) -> str:
    """Say what to ship in three words.

    >>> choice_text({"ship": "a.onnx"}), choice_text({"ship": None})
    ('ship a.onnx', 'ship none of these')
    """
    return f"ship {choice['ship'] or 'none of these'}"


def disturbance_line(report: dict[str, Any]) -> str | None:
    """Say that and why the timing was disturbed, or None."""
    conditions = report["conditions"]
    if not conditions or not conditions["disturbances"]:
        return None
    reasons = "; ".join(conditions["disturbances"])
    return f"The machine was disturbed while it was timed: {reasons}. Its times are marked with ~."


def times_text(ratio: float, more: str, less: str) -> str:
    """Say a ratio in words that fit its direction.

    >>> times_text(3.6, "faster", "slower"), times_text(0.5, "faster", "slower")
    ('3.6 times faster', '2.0 times slower')
    """
    return f"{ratio:.1f} times {more}" if ratio >= 1 else f"{1 / ratio:.1f} times {less}"


def size_ratio_text(ratio: float, name: str = "") -> str:
    """Say how large a file is beside another, which is `ratio` times its size, and called `name` where that is said.

    >>> size_ratio_text(4.0, "a.onnx"), size_ratio_text(1.01, "a.onnx"), size_ratio_text(0.5)
    ('4.0 times smaller than a.onnx', 'about as large as a.onnx', '2.0 times larger')
    """
    if 0.95 < ratio < 1.05:
        return f"about as large as {name}" if name else "about as large"
    times = times_text(ratio, "smaller", "larger")
    return f"{times} than {name}" if name else times


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
    speed = times_text(rival["latency_ms"]["p50"] / p50, "faster", "slower")
    size = times_text(rival["size_bytes"] / model["size_bytes"], "smaller", "larger")
    return f"gained: {size}, {speed} ({p50:.2f} ms) than {rival['name']}"
