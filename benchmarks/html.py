"""The report as one HTML file that needs nothing else, made from the JSON document."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from .figures import ReportPicture
from .tables import Table, class_table, models_table, plain_text, verdicts

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; font-size: 1.3rem; }
.verdict li { margin: .4rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { background: var(--soft); }
img { max-width: 100%; height: auto; background: white; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; overflow-wrap: anywhere; }
"""


def render_html(report: dict[str, Any], pictures: Sequence[ReportPicture]) -> str:
    """Return the whole report as HTML with `pictures` inside; every text of the document is escaped."""
    dataset = report["dataset"]
    lines = "".join(f"<li>{escape(line)}</li>" for line in verdicts(report))
    body = [
        "<h1>fmnist-edge report</h1>",
        f'<ul class="verdict">{lines}</ul>',
        "<h2>Models</h2>",
        _table(models_table(report)),
        *(_picture(picture) for picture in pictures),
        "<h2>Every class</h2>",
        *(_details(class_table(model)) for model in report["models"]),
        "<h2>Method and machine</h2>",
        f"<p>{escape(dataset['name'])}, {escape(dataset['split'])} split, {dataset['n']:,} images.</p>",
        *(_definitions(report[key]) for key in ("method", "machine", "versions")),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>fmnist-edge report</title><style>{_STYLE}</style></head><body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "".join(f"<tr>{_row(row)}</tr>" for row in table.rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(row: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
    return f'<th scope="row">{escape(row[0])}</th>{cells}'


def _details(table: Table) -> str:
    return f"<details><summary>{escape(table.title)}</summary>{_table(table)}</details>"


def _picture(picture: ReportPicture) -> str:
    content = base64.b64encode(picture.path.read_bytes()).decode()
    return f'<p><img alt="{escape(picture.alt, quote=True)}" src="data:image/png;base64,{content}"></p>'


def _definitions(entries: dict[str, Any]) -> str:
    pairs = "".join(f"<dt>{escape(key)}</dt><dd>{escape(plain_text(value))}</dd>" for key, value in entries.items())
    return f"<dl>{pairs}</dl>"
