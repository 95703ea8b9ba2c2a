"""The report's pictures, made from the JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.extras import import_extra
from ..common.progress import Progress, silent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class ReportPicture:
    """A picture of the report, and what it shows in words."""

    path: Path
    alt: str


def require_matplotlib() -> None:
    """Import matplotlib.

    Raises:
        EdgeError: it is not installed.
    """
    import_extra("matplotlib", needed="matplotlib is needed to draw the report", extra="report")


def save_figures(report: dict[str, Any], folder: Path, *, progress: Progress = silent) -> list[ReportPicture]:
    """Draw everything that the document has figures for into `folder`.

    Raises:
        EdgeError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # dollar signs in a file's name are no formula
        return _save_all(report, folder, progress)


def _save_all(report: dict[str, Any], folder: Path, progress: Progress) -> list[ReportPicture]:
    measured = [model for model in report["models"] if model["latency_ms"]]
    candidates = report["models"][1:]
    pictures = []
    if measured:
        pictures += [_save_tradeoff(measured, folder), _save_latency(measured, folder)]
    for done, model in enumerate(candidates):
        progress("drawing", done, len(candidates))
        pictures.append(_save_confusions(report, model, folder))
    progress("drawing", len(candidates), len(candidates))
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


def _save_latency(models: list[dict[str, Any]], folder: Path) -> ReportPicture:
    from matplotlib.figure import Figure

    from .pictures import save_figure

    ranked = sorted(models, key=lambda model: -model["latency_ms"]["p50"])
    positions = range(len(ranked))
    figure = Figure(figsize=(9, 1.4 + 0.45 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    axes.barh(positions, [model["latency_ms"]["p50"] for model in ranked], color="#4c78a8", label="p50")
    for key, marker in (("p90", "|"), ("p99", "d")):
        values = [model["latency_ms"][key] for model in ranked]
        axes.scatter(values, positions, marker=marker, color="black", zorder=3, label=key)
    axes.set_yticks(positions, [f"{model['name']}: {model['latency_ms']['p50']:.3f}" for model in ranked])
    axes.set(xlabel="milliseconds for one image", title="Latency")
    axes.legend()
    return ReportPicture(save_figure(figure, folder / "latency.png"), "Latency of every model: p50, p90 and p99")


def _save_tradeoff(models: list[dict[str, Any]], folder: Path) -> ReportPicture:
    from matplotlib.figure import Figure

    from .pictures import save_figure

    figure = Figure(figsize=(13, 6.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _scatter(left, models, [model["latency_ms"]["p50"] for model in models], "p50 milliseconds for one image")
    _scatter(right, models, [model["size_bytes"] / 1e6 for model in models], "file size in MB")
    left.set_ylabel("accuracy (%), with 95% interval")
    figure.suptitle("Accuracy against latency and size: left and up is better")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    path = save_figure(figure, folder / "accuracy-latency.png")
    return ReportPicture(path, "Accuracy of every model against its latency and its file size")


def _scatter(axes: Axes, models: list[dict[str, Any]], across: list[float], label: str) -> None:
    markers = {"onnx": "o", "tflite": "s"}
    for index, (model, value) in enumerate(zip(models, across, strict=True)):
        low, high = (100 * edge for edge in model["accuracy_ci95"])
        accuracy = 100 * model["accuracy"]
        errors = [[accuracy - low], [high - accuracy]]
        marker = markers.get(model["format"], "^")
        axes.errorbar(
            [value], [accuracy], yerr=errors, marker=marker, capsize=3, label=model["name"], color=f"C{index}"
        )
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.grid(alpha=0.3, which="both")
    for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis_formatter("{x:g}")
