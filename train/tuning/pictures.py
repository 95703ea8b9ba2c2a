"""The pictures of a search: the front over every cost, and the best accuracy as trials went by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...benchmarks.charts import label_axes, make_logarithmic, new_axes, number_points, pareto_front
from ...benchmarks.palette import LIGHT
from ...benchmarks.pictures import save_figure
from .objectives import ACCURACY, PARAMETERS, Objective
from .trials import DONE, TrialRecord, front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_INCHES = (7.0, 4.6)


def save_pictures(records: Sequence[TrialRecord], objectives: Sequence[Objective], folder: Path) -> list[Path]:
    """Write one PNG for every cost, and one of the trials in their order; none while no trial is done.

    Where accuracy is the only objective, it is drawn over the number of parameters.
    """
    done = [record for record in records if record.state == DONE]
    if not done:
        return []
    costs = [entry for entry in objectives if entry.name != ACCURACY] or [Objective(PARAMETERS)]
    best = front(records, objectives)
    drawn = [_save_front(done, best, cost, folder / f"accuracy-{cost.name}.png") for cost in costs]
    return [*drawn, _save_course(done, folder / "accuracy-trials.png")]


def _save_front(done: Sequence[TrialRecord], best: Sequence[TrialRecord], cost: Objective, path: Path) -> Path:
    """Draw accuracy over one cost: all trials faint, the front, and the numbers of its edge; up and left is better."""
    figure, axes = _new_axes()
    points = {record.number: (cost.scaled(record.value(cost.name)), 100 * record.values[ACCURACY]) for record in done}
    across, up = zip(*points.values(), strict=True)
    axes.plot(across, up, marker="o", markersize=5, linestyle="none", color=LIGHT["faint"], alpha=0.55, label="trials")
    steps = pareto_front(list(points.values()))
    axes.step(*zip(*steps, strict=True), where="post", color=LIGHT["int8"], linewidth=1.3)
    chosen = [(*points[record.number], record.number) for record in best]
    axes.plot([x for x, _, _ in chosen], [y for _, y, _ in chosen], marker="o", markersize=7, linestyle="none",
              color=LIGHT["int8"], label="front: no trial beats it in everything")  # fmt: skip
    axes.margins(x=0.08, y=0.12)
    if max(across) > min(across) > 0:
        make_logarithmic(axes)
    label_axes(axes, cost.title, "validation accuracy in %")
    axes.set_title(f"{len(done)} trials: accuracy over {cost.name}", color=LIGHT["ink"], fontsize=11, loc="left")
    number_points(figure, axes, [point for point in chosen if point[:2] in steps])  # the others would crowd it
    _legend(axes)
    return save_figure(figure, path)


def _save_course(done: Sequence[TrialRecord], path: Path) -> Path:
    """Draw the accuracy of every trial in their order, and the best until then."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _new_axes()
    numbers = [record.number for record in done]
    accuracies = [100 * record.values[ACCURACY] for record in done]
    best = [max(accuracies[: position + 1]) for position in range(len(accuracies))]
    axes.plot(numbers, accuracies, marker="o", markersize=5, linestyle="none", color=LIGHT["faint"], label="trials")
    axes.step(numbers, best, where="post", color=LIGHT["int8"], linewidth=1.5, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.04, y=0.12)
    label_axes(axes, "trial", "validation accuracy in %")
    axes.set_title(f"{len(done)} trials in their order", color=LIGHT["ink"], fontsize=11, loc="left")
    _legend(axes)
    return save_figure(figure, path)


def _new_axes() -> tuple[Figure, Axes]:
    """Return an empty figure in the report's style, on paper instead of a page."""
    figure, axes = new_axes()
    figure.set_size_inches(*_SIZE_INCHES)
    figure.patch.set_alpha(1)
    figure.patch.set_facecolor(LIGHT["paper"])
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False, labelcolor=LIGHT["ink"])
