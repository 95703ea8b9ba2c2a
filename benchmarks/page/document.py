"""The whole page, from the JSON document, the images and the drawings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...dataset import Split
from ..figures import Drawing, compared_models
from ..tables import change_table, class_table, models_table, plain_text
from .gallery import flips_section, misclassified_section, moved_details
from .markup import Markup, caption_of, details, join, scroll, section, table, tag
from .matrices import matrices_section
from .opening import verdict_section
from .style import STYLE

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The browser itself sees to it that no request leaves the page and no script runs."""
_TITLE = "fmnist-edge report"


def render_page(report: dict[str, Any], split: Split, drawings: Sequence[Drawing]) -> str:
    """Return the report as HTML; every text of the document is escaped.

    Args:
        report: the document.
        split: the images that it is about.
        drawings: its pictures.
    """
    compared = compared_models(report)
    chosen = compared[1]["name"] if len(compared) > 1 else None
    sections = [
        ("verdict", "Verdict", verdict_section(report)),
        ("costs", "Models", _models(report, drawings, chosen)),
        ("matrices", "Confusion matrices", matrices_section(report, chosen)),
        ("classes", "Classes", _classes(report, chosen)),
        ("flips", "Changed answers", flips_section(report, split.images)),
        ("wrong", "Mistakes", misclassified_section(report, split.images)),
        ("certainty", "Probabilities", _certainty(report, drawings, chosen)),
        ("speed", "Speed", _speed(report, drawings)),
        ("training", "Training", _training(drawings)),
        ("method", "Method and machine", _method(report)),
    ]
    present = [(identity, title, content) for identity, title, content in sections if content]
    links = (tag("li", tag("a", title, href=f"#{identity}")) for identity, title, _ in present)
    body = [
        tag("a", "Skip to the verdict", class_="skip", href="#verdict"),
        tag(
            "header",
            tag("h1", _TITLE),
            tag("p", _subtitle(report), class_="lead"),
            tag("nav", tag("ul", links), aria_label="Sections"),
        ),
        tag("main", (content for _, _, content in present)),
        tag("footer", tag("p", f"All figures, exact, are in report.json (schema version {report['schema_version']}).")),
    ]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("link", rel="icon", href="data:,"),
        tag("title", _TITLE),
        tag("style", Markup(STYLE)),
    ]
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


def _subtitle(report: dict[str, Any]) -> str:
    dataset, count = report["dataset"], len(report["models"])
    models = "1 model" if count == 1 else f"{count} models"
    return f"{models}, the same {dataset['n']:,} images of {dataset['name']}'s {dataset['split']} split"


def _plots(drawings: Sequence[Drawing], prefix: str, note: str = "") -> Markup:
    """Return the drawings whose names begin so, side by side."""
    found = [drawing for drawing in drawings if drawing.name.startswith(prefix)]
    figures = (
        tag("figure", tag("h3", drawing.title), _svg(drawing), tag("figcaption", note) if note else "")
        for drawing in found
    )
    return tag("div", figures, class_="plots") if found else Markup("")


def _svg(drawing: Drawing) -> Markup:
    return tag("div", Markup(drawing.svg), role="img", aria_label=drawing.alt)


def _models(report: dict[str, Any], drawings: Sequence[Drawing], chosen: str | None) -> Markup:
    shown = models_table(report)
    header = ["model", *shown.header[1:]]
    rows = [[f"{number}  {row[0]}", *row[1:]] for number, row in enumerate(shown.rows, start=1)]
    marked = (
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            (tag("td", cell) for cell in row[1:]),
            class_="chosen" if model["name"] == chosen else None,
        )
        for model, row in zip(report["models"], rows, strict=True)
    )
    head = tag("thead", tag("tr", (tag("th", cell, scope="col") for cell in header)))
    caption = "Lower drop is better; a negative one means that the model is right more often than the reference"
    content = tag("table", caption_of(caption), head, tag("tbody", marked))
    note = (
        "0 is the reference; vertical lines are 95% intervals of the paired difference. The numbers are those of the "
        "table. The grey steps join the models that no other beats in both."
    )
    plots = _plots(drawings, "accuracy-")
    explained = tag("p", note, class_="note") if plots else ""
    return section("costs", "What it costs and what it buys", plots, explained, scroll(content, label="All models"))


def _classes(report: dict[str, Any], chosen: str | None) -> Markup:
    parts = []
    for model in report["models"][1:]:
        changes = change_table(model)
        worst = max(model["comparison"]["classes"], key=lambda change: change["recall_drop"])
        said = f"{worst['label']} changes most for the worse, by {worst['recall_drop']:+.2f} points of recall"
        if worst["recall_drop"] <= 0:
            said = "no class loses recall"
        summary = f"{model['name']}: {said}"
        content = table(changes.header, changes.rows, caption="Points lost; negative numbers are gains")
        parts.append(details(summary, content, open_=model["name"] == chosen))
    counts = []
    for model in report["models"]:
        shown = class_table(model)
        counts.append(details(model["name"], table(shown.header, shown.rows, caption=shown.title)))
    changed = [tag("h3", "What each class lost"), *parts] if parts else []
    return section("classes", "Class by class", changed, tag("h3", "Each class against all others"), counts)


def _certainty(report: dict[str, Any], drawings: Sequence[Drawing], chosen: str | None) -> Markup:
    note = (
        "A model that says 0.9 should be right nine times of ten: points on the dashed line. Below it, it is too sure. "
        "ECE is the expected calibration error, the mean distance from the line, weighted by images. "
        "Bins of fewer than 20 images are left out of the picture."
    )
    moved = [moved_details(report, model, open_=model["name"] == chosen) for model in report["models"][1:]]
    header = ["model", "ECE"]
    rows = [[model["name"], f"{model['calibration']['ece']:.4f}"] for model in report["models"]]
    largest = [tag("h3", "Largest changes of probability"), *moved] if moved else []
    return section(
        "certainty",
        "How sure, and how rightly so",
        _plots(drawings, "reliability", note),
        table(header, rows, caption="Expected calibration error of every model"),
        largest,
    )


def _speed(report: dict[str, Any], drawings: Sequence[Drawing]) -> Markup:
    if not report["conditions"]:
        return Markup("")
    note = "Thick: the middle half of all runs; thin: 98 of 100; dot: p50; tick: p90."
    header = ["model", "p50 (95%)", "p90 (95%)", "p99 (95%)", "runs", "warm-up runs"]
    rows = []
    for model in report["models"]:
        latency = model["latency_ms"]
        if latency:
            times = [_with_interval(latency, key) for key in ("p50", "p90", "p99")]
            rows.append([model["name"], *times, f"{latency['n']:,}", f"{latency['warm_up_runs']:,}"])
    return section(
        "speed",
        "Speed",
        _plots(drawings, "latency", note),
        table(header, rows, caption="Milliseconds for one image, with bootstrap intervals"),
        _sustained(report),
    )


def _with_interval(latency: dict[str, Any], key: str) -> str:
    interval = latency[f"{key}_ci95"]
    shown = f"{latency[key]:.3f}"
    return shown if interval is None else f"{shown} ({interval[0]:.3f} to {interval[1]:.3f})"


def _sustained(report: dict[str, Any]) -> Markup:
    rows = []
    for model in report["models"]:
        found = model["sustained"]
        if found:
            first, last = found["windows"][0], found["windows"][-1]
            heat = "unknown" if last["temperature_c"] is None else f"{last['temperature_c']:.0f} °C"
            times = [f"{window['p50_ms']:.3f}" for window in (first, last)]
            rows.append([model["name"], f"{found['seconds']:g} s", *times, f"{found['slowdown']:+.1%}", heat])
    header = ["model", "for", "p50 ms at first", "p50 ms at last", "slower", "temperature"]
    return table(header, rows, caption="Running without a pause") if rows else Markup("")


def _training(drawings: Sequence[Drawing]) -> Markup:
    plots = _plots(drawings, "training-")
    return section("training", "How the reference was trained", plots) if plots else plots


def _method(report: dict[str, Any]) -> Markup:
    dataset = report["dataset"]
    opening = f"{dataset['name']}, {dataset['split']} split, {dataset['n']:,} images, SHA-256 {dataset['sha256']}."
    parts = [tag("h3", "Method"), _definitions(report["method"]), tag("h3", "Machine"), _definitions(report["machine"])]
    if report["conditions"]:
        parts += [tag("h3", "While it was timed"), _definitions(_conditions(report["conditions"]))]
    digests = {model["name"]: model["sha256"] for model in report["models"]}
    parts += [tag("h3", "Versions"), _definitions(report["versions"])]
    parts += [tag("h3", "Files (SHA-256)"), _definitions(digests)]
    return section("method", "Method and machine", tag("p", opening), join(parts))


def _conditions(conditions: dict[str, Any]) -> dict[str, Any]:
    """Flatten what the machine was like into lines."""
    flat: dict[str, Any] = {}
    for key, value in conditions.items():
        if isinstance(value, dict):
            flat |= {f"{inner}_{key}": entry for inner, entry in value.items()}
        else:
            flat[key] = round(value, 4) if isinstance(value, float) else value
    return flat


def _definitions(entries: dict[str, Any]) -> Markup:
    pairs = (join([tag("dt", key.replace("_", " ")), tag("dd", plain_text(value))]) for key, value in entries.items())
    return tag("dl", pairs)
