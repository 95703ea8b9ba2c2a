"""The report's pictures as matplotlib figures; how they are saved is another matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .palette import LIGHT, recipe_colour
from .tables import size_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = {"keras": "^", "onnx": "o", "tflite": "s"}
_SIZE_INCHES = (4.4, 3.4)
_NEAR_POINTS = (26, 13)
"""Points on the picture that lie closer, across and up, share one text."""
RELIABLE_IMAGES = 20
"""A bin with fewer images says more of chance than of the model."""
Model = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        name: of its file, without suffix.
        figure: what was drawn.
        title: over it.
        alt: what it shows, in words, with the numbers that matter.
    """

    name: str
    figure: Figure
    title: str
    alt: str


def new_axes(height_inches: float = _SIZE_INCHES[1]) -> tuple[Figure, Axes]:
    """Return an empty figure in the report's style."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE_INCHES[0], height_inches), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.tick_params(which="both", colors=LIGHT["muted"], labelsize=9.5)
    axes.grid(color=LIGHT["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LIGHT["line"])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def label_axes(axes: Axes, across: str, up: str) -> None:
    """Write what the axes are."""
    axes.set_xlabel(across, color=LIGHT["ink"], fontsize=10)
    axes.set_ylabel(up, color=LIGHT["ink"], fontsize=10)


def draw_tradeoff(models: Sequence[Model], numbers: dict[str, int], reference: Model, *, against: str) -> Chart:
    """Draw what each model loses against what it costs: ``latency`` or ``size``; up and left is better."""
    figure, axes = new_axes()
    costs: dict[str, Callable[[Model], float]] = {"latency": _p50, "size": lambda model: model["size_bytes"] / 1e6}
    points = [(costs[against](model), _gained(model), model) for model in models]
    margin = next((model["comparison"]["margin_points"] for model in models if model["comparison"]), None)
    axes.axhline(0, color=LIGHT["muted"], linewidth=0.9)
    if margin is not None:
        axes.axhline(-margin, color=LIGHT["bad"], linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate("margin", (1, -margin), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                      fontsize=9, color=LIGHT["bad"], xytext=(0, 2), textcoords="offset points")  # fmt: skip
    front = pareto_front([(across, up) for across, up, _ in points])
    axes.step([x for x, _ in front], [y for _, y in front], where="post", color=LIGHT["faint"], linewidth=1.2)
    for across, up, model in points:
        _draw_point(axes, across, up, model)
    axes.margins(x=0.14, y=0.12)
    make_logarithmic(axes)
    title = {"latency": "p50 milliseconds for one image", "size": "file size in MB"}[against]
    label_axes(axes, f"{title} (log)", "points gained against the reference")
    number_points(figure, axes, [(across, up, numbers[model["name"]]) for across, up, model in points])
    _legend(axes, models)
    return Chart(
        f"accuracy-{against}", figure, f"Accuracy against {against}", _tradeoff_alt(models, reference, against)
    )


def make_logarithmic(axes: Axes) -> None:
    """Give the horizontal axis a scale of ratios, with as many ticks as there is room for."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = math.log10(high / low)
    steps = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if decades < 1.1 else (1.0, 2.0, 5.0) if decades < 2.6 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def _p50(model: Model) -> float:
    return float(model["latency_ms"]["p50"])


def _gained(model: Model) -> float:
    return 0.0 - float(model["comparison"]["accuracy_drop"]) if model["comparison"] else 0.0


def _draw_point(axes: Axes, across: float, up: float, model: Model) -> None:
    colour = LIGHT[recipe_colour(model["recipe"])]
    if model["comparison"]:
        low, high = (-edge for edge in reversed(model["comparison"]["accuracy_drop_ci95"]))
        axes.plot([across, across], [low, high], color=colour, linewidth=1.1, alpha=0.75)
    marker = _MARKERS.get(model["format"], "D")
    axes.plot([across], [up], marker=marker, color=colour, markersize=6.5, linestyle="none")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other beats in both, by ascending cost; a point is (cost, gain).

    >>> pareto_front([(1.0, 0.1), (2.0, 0.0), (3.0, 0.4), (0.5, -1.0)])
    [(0.5, -1.0), (1.0, 0.1), (3.0, 0.4)]
    """
    front: list[tuple[float, float]] = []
    for cost, gain in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or gain > front[-1][1]:
            front.append((cost, gain))
    return front


def number_points(figure: Figure, axes: Axes, points: Sequence[tuple[float, float, int]]) -> None:
    """Write each model's number beside its point; points that lie together share one text."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    groups: list[tuple[float, float, list[int]]] = []
    for across, up, number in sorted(points):
        x, y = axes.transData.transform((across, up)) * scale
        for left, height, members in groups:
            if abs(x - left) < _NEAR_POINTS[0] and abs(y - height) < _NEAR_POINTS[1]:
                members.append(number)
                break
        else:
            groups.append((x, y, [number]))
    for x, y, members in groups:
        text = ", ".join(map(str, sorted(members)))
        across, up = axes.transData.inverted().transform((x / scale, y / scale))
        axes.annotate(
            text, (float(across), float(up)), xytext=(6, 5), textcoords="offset points", fontsize=10, color=LIGHT["ink"]
        )


def _legend(axes: Axes, models: Sequence[Model]) -> None:
    from matplotlib.lines import Line2D

    recipes = dict.fromkeys(model["recipe"] for model in models)
    formats = dict.fromkeys(model["format"] for model in models)
    handles = [Line2D([], [], color=LIGHT[recipe_colour(name)], linewidth=4, label=name) for name in recipes]
    handles += [
        Line2D([], [], marker=_MARKERS.get(name, "D"), color=LIGHT["muted"], linestyle="none", label=name)
        for name in formats
    ]
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False,
                       labelcolor=LIGHT["ink"], handlelength=1.1, columnspacing=1.1)  # fmt: skip


def _tradeoff_alt(models: Sequence[Model], reference: Model, against: str) -> str:
    cost = {"latency": lambda model: f"{_p50(model):.2f} ms", "size": lambda model: size_text(model["size_bytes"])}
    said = (f"{model['name']}: {cost[against](model)}, {_gained(model):+.2f} points" for model in models)
    return f"Accuracy gained against {reference['name']}, over {against}. {'; '.join(said)}."


def draw_latency(models: Sequence[Model], numbers: dict[str, int]) -> Chart:
    """Draw the distribution of every model's latency, the fastest at the top."""
    ranked = sorted(models, key=lambda model: -_p50(model))
    figure, axes = new_axes(0.8 + 0.45 * len(ranked))
    for height, model in enumerate(ranked):
        times, colour = model["latency_ms"]["quantiles"], LIGHT[recipe_colour(model["recipe"])]
        axes.plot([times[1], times[99]], [height, height], color=colour, linewidth=1.2)
        axes.plot([times[25], times[75]], [height, height], color=colour, linewidth=6, solid_capstyle="butt")
        axes.plot([times[50]], [height], marker="o", color=LIGHT["ink"], markersize=3.6)
        axes.plot([times[90]], [height], marker="|", color=LIGHT["ink"], markersize=8)
        text = f"{numbers[model['name']]}  {model['name']}  {times[50]:.2f} ms"
        axes.annotate(text, (0, height), xycoords=("axes fraction", "data"), xytext=(3, 5),
                      textcoords="offset points", fontsize=9, color=LIGHT["ink"])  # fmt: skip
    make_logarithmic(axes)
    axes.set_yticks([])
    axes.set_ylim(-0.6, len(ranked) - 0.1)
    axes.spines["left"].set_visible(False)
    label_axes(axes, "milliseconds for one image (log)", "")
    said = (
        f"{model['name']}: p50 {_p50(model):.2f}, p90 {model['latency_ms']['p90']:.2f}, "
        f"p99 {model['latency_ms']['p99']:.2f} ms"
        for model in reversed(ranked)
    )
    return Chart("latency", figure, "Latency of one image", f"Distribution of latencies. {'; '.join(said)}.")


def draw_reliability(models: Sequence[Model]) -> Chart:
    """Draw how often answers are right against how sure the models are of them."""
    figure, axes = new_axes()
    axes.plot([0, 1], [0, 1], color=LIGHT["faint"], linewidth=1, linestyle=(0, (4, 3)))
    for model, colour, marker in zip(models, ("float32", "int8"), ("o", "s"), strict=False):
        bins = [entry for entry in model["calibration"]["bins"] if entry["n"] >= RELIABLE_IMAGES]
        label = f"{model['name']}: ECE {model['calibration']['ece']:.3f}"
        axes.plot([entry["confidence"] for entry in bins], [entry["accuracy"] for entry in bins], marker=marker,
                  color=LIGHT[colour], markersize=4.5, linewidth=1.2, label=label)  # fmt: skip
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    label_axes(axes, "probability of the answer (mean of the bin)", "share of right answers")
    axes.figure.legend(loc="outside lower center", ncols=1, fontsize=9, frameon=False, labelcolor=LIGHT["ink"])
    said = (
        f"{model['name']} has an expected calibration error of {model['calibration']['ece']:.3f}" for model in models
    )
    return Chart("reliability", figure, "Reliability", f"Accuracy over probability. {'; '.join(said)}.")


def draw_training(epochs: Sequence[dict[str, float]], *, quantity: str) -> Chart:
    """Draw the ``accuracy`` or ``loss`` of training and validation over the epochs."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_axes(2.9)
    steps = [epoch["epoch"] for epoch in epochs]
    for key, colour, label in ((quantity, "float32", "training"), (f"val_{quantity}", "int8", "validation")):
        values = [epoch[key] for epoch in epochs]
        axes.plot(steps, values, color=LIGHT[colour], marker="o", markersize=3, linewidth=1.4, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axes, "epoch", quantity)
    axes.figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False, labelcolor=LIGHT["ink"])
    last = epochs[-1]
    alt = (
        f"{quantity.capitalize()} over {len(epochs)} epochs; at the end {last[quantity]:.3f} in training and "
        f"{last[f'val_{quantity}']:.3f} in validation."
    )
    return Chart(f"training-{quantity}", figure, f"Training: {quantity}", alt)
