"""The report as Markdown, made from the JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from .figures import ReportPicture
from .tables import as_markdown, class_table, confusion_table, models_table, plain_text, verdicts


def render_markdown(report: dict[str, Any], pictures: Sequence[ReportPicture]) -> str:
    """Return the whole report as Markdown that shows `pictures` from the same folder."""
    dataset = report["dataset"]
    parts = [
        "# fmnist-edge report",
        "\n".join(f"- {line}" for line in verdicts(report)),
        "## Models",
        as_markdown(models_table(report)),
        *(f"![{picture.alt}]({quote(picture.path.name)})" for picture in pictures),
        "## Every class",
        *(f"### {table.title}\n\n{as_markdown(table)}" for table in map(class_table, report["models"])),
        "## Confusion matrices",
        *_confusions(report),
        "## Method and machine",
        f"{dataset['name']}, {dataset['split']} split, {dataset['n']:,} images (SHA-256 {dataset['sha256']}).",
        *(_list(report[key]) for key in ("method", "machine", "versions")),
    ]
    return "\n\n".join(parts) + "\n"


def _confusions(report: dict[str, Any]) -> list[str]:
    tables = [confusion_table(model, report["labels"]) for model in report["models"]]
    return [f"### {table.title}\n\n{as_markdown(table)}" for table in tables]


def _list(entries: dict[str, Any]) -> str:
    return "\n".join(f"- {key}: {plain_text(value)}" for key, value in entries.items())
