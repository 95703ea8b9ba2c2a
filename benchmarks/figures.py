"""The report's pictures as files and as part of the page, made from the JSON document."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.extras import import_extra
from ..common.progress import Progress, silent
from .palette import recolour

if TYPE_CHECKING:
    from .charts import Chart

_SVG_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "fmnist-edge", "text.parse_math": False}


@dataclass(frozen=True)
class ReportPicture:
    """A picture of the report, and what it shows in words."""

    path: Path
    alt: str


@dataclass(frozen=True)
class Drawing:
    """A chart as the page wants it.

    Attributes:
        name: unique on the page.
        title: over it.
        alt: what it shows, in words.
        svg: the picture; its colours are the page's.
        png: the same for Markdown, in light colours.
    """

    name: str
    title: str
    alt: str
    svg: str
    png: bytes


def require_matplotlib() -> None:
    """Import matplotlib.

    Raises:
        EdgeError: it is not installed.
    """
    import_extra("matplotlib", needed="matplotlib is needed to draw the report", extra="report")


def draw_figures(report: dict[str, Any], *, progress: Progress = silent) -> list[Drawing]:
    """Draw everything that the document has figures for.

    Raises:
        EdgeError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context

    from . import charts

    models = report["models"]
    reference, measured = models[0], [model for model in models if model["latency_ms"]]
    numbers = {model["name"]: number for number, model in enumerate(models, start=1)}
    makers: list[Callable[[], Chart]] = []
    if measured:
        makers.append(lambda: charts.draw_tradeoff(measured, numbers, reference, against="latency"))
    if len(models) > 1:
        makers.append(lambda: charts.draw_tradeoff(models, numbers, reference, against="size"))
    makers.append(lambda: charts.draw_reliability(compared_models(report)))
    if measured:
        makers.append(lambda: charts.draw_latency(measured, numbers))
    if report["training"]:
        makers += [
            lambda: charts.draw_training(report["training"], quantity="accuracy"),
            lambda: charts.draw_training(report["training"], quantity="loss"),
        ]
    drawings = []
    with rc_context(_SVG_STYLE):  # dollar signs in a file's name are no formula
        for done, make in enumerate(makers):
            progress("drawing", done, len(makers))
            drawings.append(_drawing(make()))
    progress("drawing", len(makers), len(makers))
    return drawings


def compared_models(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the reference and the model whose change from it matters most: the one to ship, or else the first."""
    reference, *candidates = report["models"]
    shipped = [choice["ship"] for choice in report["recommendation"]["choices"]]
    chosen = [model for name in shipped for model in candidates if model["name"] == name]
    return [reference, *(chosen or candidates)[:1]]


def _drawing(chart: Chart) -> Drawing:
    svg, png = io.StringIO(), io.BytesIO()
    chart.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    chart.figure.savefig(png, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return Drawing(chart.name, chart.title, chart.alt, inline_svg(svg.getvalue(), chart.name), png.getvalue())


def inline_svg(svg: str, name: str) -> str:
    """Make matplotlib's SVG a part of a page: no prologue, no size, the page's colours, its own names.

    >>> inline_svg('<?xml?><svg width="9pt" height="5pt"><g id="a"/><use xlink:href="#a"/></svg>', "x")
    '<svg><g id="x-a"/><use href="#x-a"/></svg>'
    """
    content = svg[svg.index("<svg") :]
    content = re.sub(r"<metadata>.*?</metadata>", "", content, flags=re.DOTALL)
    content = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", content, count=1)
    content = re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", content, count=1)
    content = content.replace("xlink:href", "href")
    content = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", content)
    content = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", content)
    return recolour(content)


def save_pictures(
    report: dict[str, Any], drawings: Sequence[Drawing], folder: Path, *, progress: Progress = silent
) -> list[ReportPicture]:
    """Write the drawings, and one picture of confusion matrices for each candidate, as PNG into `folder`."""
    from matplotlib import rc_context

    from ..common.files import write_bytes

    pictures = [
        ReportPicture(write_bytes(folder / f"{drawing.name}.png", drawing.png), drawing.alt) for drawing in drawings
    ]
    candidates = report["models"][1:]
    with rc_context(_SVG_STYLE):
        for done, model in enumerate(candidates):
            progress("drawing confusion matrices", done, len(candidates))
            pictures.append(_save_confusions(report, model, folder))
    progress("drawing confusion matrices", len(candidates), len(candidates))
    return pictures


def _save_confusions(report: dict[str, Any], model: dict[str, Any], folder: Path) -> ReportPicture:
    from matplotlib.figure import Figure

    from .pictures import draw_confusion_matrix, save_figure

    reference = report["models"][0]
    before, after = (np.array(entry["confusion_matrix"]) for entry in (reference, model))
    figure = Figure(figsize=(21, 7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_confusion_matrix(left, before, report["labels"], title=f"{reference['name']} ({reference['accuracy']:.2%})")
    draw_confusion_matrix(middle, after, report["labels"], title=f"{model['name']} ({model['accuracy']:.2%})")
    title = "difference (second minus first)"
    draw_confusion_matrix(right, after - before, report["labels"], title=title, difference=True)
    path = save_figure(figure, folder / f"confusion-{model['name'].replace('/', '-')}.png")
    alt = f"Confusion matrices of {reference['name']} and {model['name']}, and their difference"
    return ReportPicture(path, alt)
