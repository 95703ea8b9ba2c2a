"""The report as Markdown, made from the JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from .figures import ReportPicture
from .tables import (
    Table,
    as_markdown,
    change_table,
    class_table,
    confusion_table,
    disturbance_line,
    models_table,
    plain_text,
    recommendation_lines,
    verdicts,
)


def render_markdown(report: dict[str, Any], pictures: Sequence[ReportPicture]) -> str:
    """Return the whole report as Markdown that shows `pictures` from the same folder."""
    dataset = report["dataset"]
    parts = [
        "# fmnist-edge report",
        *_opening(report),
        "## Models",
        as_markdown(models_table(report)),
        *(f"![{picture.alt}]({quote(picture.path.name)})" for picture in pictures),
        *_changes(report),
        "## Every class",
        *_titled([class_table(model) for model in report["models"]]),
        "## Confusion matrices",
        *_confusions(report),
        "## Method and machine",
        f"{dataset['name']}, {dataset['split']} split, {dataset['n']:,} images (SHA-256 {dataset['sha256']}).",
        *(_list(report[key]) for key in ("method", "machine", "versions")),
    ]
    return "\n\n".join(parts) + "\n"


def _opening(report: dict[str, Any]) -> list[str]:
    """What to ship, what disturbed the measurement, and one sentence a model."""
    shipped = "\n".join(f"- **{line[0].upper() + line[1:]}**" for line in recommendation_lines(report))
    disturbed = disturbance_line(report)
    judged = "\n".join(f"- {line}" for line in verdicts(report))
    return [shipped, *([f"**{disturbed}**"] if disturbed else []), judged]


def _changes(report: dict[str, Any]) -> list[str]:
    tables = [change_table(model) for model in report["models"][1:]]
    return ["## What each class lost", *_titled(tables)] if tables else []


def _titled(tables: Sequence[Table]) -> list[str]:
    return [f"### {table.title}\n\n{as_markdown(table)}" for table in tables]


def _confusions(report: dict[str, Any]) -> list[str]:
    return _titled([confusion_table(model, report["labels"]) for model in report["models"]])


def _list(entries: dict[str, Any]) -> str:
    return "\n".join(f"- {key}: {plain_text(value)}" for key, value in entries.items())
