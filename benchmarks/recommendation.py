"""Which file to ship, for this machine and for each emulated board, and why; float where that is the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .boards.board import BOARDS
from .tables import interval_text, size_ratio_text, size_text, times_text

NEAR = 1.05
"""Costs within 5% of the lowest are equal: so far do two benchmarks of the same files differ."""
Model = dict[str, Any]
Cost = Callable[[Model], float | None]


@dataclass(frozen=True)
class Target:
    """What is shipped to, and what an image costs there.

    Attributes:
        name: ``here``, or a board's name.
        title: as shown.
        cost: of a model; None where it was not measured.
        say: a cost in words.
        words: for a lower and a higher cost.
    """

    name: str
    title: str
    cost: Cost
    say: Callable[[float], str]
    words: tuple[str, str]


def recommend(
    models: Sequence[Model], *, margin_points: float, class_margin_points: float, disturbed: bool = False
) -> dict[str, Any]:
    """Choose a file for every target, from the models of a report; the first is the reference.

    Of the exported files that are as good as the reference, those that cost up to 5% more than the cheapest are equally
    cheap; of these the smallest counts (again within 5%), and of these the one that answers most like the reference.

    Args:
        models: as in the report.
        margin_points: that a candidate may lose.
        class_margin_points: that any class of it may lose.
        disturbed: whether the latencies were taken on a disturbed machine, which is then said.

    Returns:
        The recommendation as in the report.
    """
    refused = {model["name"]: refusal(model, margin_points, class_margin_points) for model in models[1:]}
    fit = [model for model in models if model["format"] != "keras" and not refused.get(model["name"])]
    choices = [_choose(target, fit, models, refused) for target in targets(models, disturbed=disturbed)]
    return {
        "margin_points": margin_points,
        "class_margin_points": class_margin_points,
        "choices": choices,
        "refused": [{"name": name, "why": why} for name, why in refused.items() if why],
    }


def refusal(model: Model, margin_points: float, class_margin_points: float) -> str | None:
    """Say why a candidate must not be shipped, or None where it may be."""
    if model["findings"]:
        return str(model["findings"][0])
    comparison = model["comparison"]
    if comparison["verdict"] not in {"better", "as good"}:
        high = comparison["accuracy_drop_ci95"][1]
        drop = interval_text(comparison)
        return f"its drop of {drop} points may reach {high:.2f}, over the margin of {margin_points:g}"
    worst = max(comparison["classes"], key=lambda change: change["recall_drop"])
    if worst["recall_drop"] > class_margin_points:
        return f"{worst['label']} loses {worst['recall_drop']:.1f} points of recall, more than {class_margin_points:g}"
    return None


def targets(models: Sequence[Model], *, disturbed: bool = False) -> list[Target]:
    """Return this machine, and every board that a model was counted on."""
    boards = dict.fromkeys(count["board"] for model in models for count in model["boards"])
    doubt = " (the machine was disturbed: measure again before you rely on it)" if disturbed else ""
    timed = any(model["latency_ms"] for model in models)
    here = Target("here", "this machine", _p50, lambda ms: f"answers in {ms:.2f} ms{doubt}", ("faster", "slower"))
    room = Target("size", "a device with little room", _size, lambda size: f"takes {size_text(int(size))}", ("", ""))
    return [here if timed else room, *(_board_target(name) for name in boards)]


def _p50(model: Model) -> float | None:
    return model["latency_ms"]["p50"] if model["latency_ms"] else None


def _size(model: Model) -> float | None:
    return float(model["size_bytes"])


def _board_target(name: str) -> Target:
    def cost(model: Model) -> float | None:
        counts = [count["instructions_per_image"] for count in model["boards"] if count["board"] == name]
        return counts[0] if counts else None

    title = BOARDS[name].title if name in BOARDS else name
    say = "takes {:.2f} million instructions an image".format
    return Target(name, title, cost, lambda count: say(count / 1e6), ("fewer", "more"))


def _choose(
    target: Target, fit: Sequence[Model], models: Sequence[Model], refused: dict[str, str | None]
) -> dict[str, Any]:
    costs = {model["name"]: cost for model in fit if (cost := target.cost(model)) is not None}
    if not costs:
        return {"target": target.name, "title": target.title, "ship": None, "why": _nothing(models, refused)}
    near = _lowest([model for model in fit if model["name"] in costs], lambda model: costs[model["name"]])
    chosen = min(_lowest(near, lambda model: model["size_bytes"]), key=_unlike_reference)
    why = _why(target, chosen, costs, fit, models[0], refused)
    return {"target": target.name, "title": target.title, "ship": chosen["name"], "why": why}


def _lowest(models: Sequence[Model], cost: Callable[[Model], float]) -> list[Model]:
    least = min(cost(model) for model in models)
    return [model for model in models if cost(model) <= NEAR * least]


def _unlike_reference(model: Model) -> float:
    return -model["comparison"]["agreement"] if model["comparison"] else -1.0


def _nothing(models: Sequence[Model], refused: dict[str, str | None]) -> str:
    reasons = [f"{name}: {why}" for name, why in refused.items() if why]
    if not reasons:
        return "No exported file was measured; write some with fmnist-edge export --all."
    return f"Ship float (fmnist-edge export --float32). No other file may go out: {'; '.join(reasons)}."


def _why(
    target: Target,
    chosen: Model,
    costs: dict[str, float],
    fit: Sequence[Model],
    reference: Model,
    refused: dict[str, str | None],
) -> str:
    said, judged = target.say(costs[chosen["name"]]), _judged(chosen, reference)
    if _is_float(chosen):
        return f"It {said}{judged}. {_why_float(chosen, fit, refused)}"
    rival = _float_rival(fit, costs)
    if rival is None and chosen is reference:
        return f"It {said}; the others are compared with it."
    other = rival or reference
    ratio = other["size_bytes"] / chosen["size_bytes"]
    if rival is None or target.name == "size":
        return f"It {said}, is {size_ratio_text(ratio, other['name'])}{judged}."
    gain = times_text(costs[rival["name"]] / costs[chosen["name"]], *target.words)
    return f"It {said}, {gain} than {rival['name']}, is {size_ratio_text(ratio)}{judged}."


def _why_float(chosen: Model, fit: Sequence[Model], refused: dict[str, str | None]) -> str:
    reasons = [f"{name}: {why}" for name, why in refused.items() if why]
    if reasons:
        return f"Ship float, because no quantized file may go out: {'; '.join(reasons)}."
    if any(not _is_float(model) for model in fit):
        return "Ship float: no other file that is as good costs less here."
    return f"No other recipe was measured beside {chosen['recipe']}."


def _judged(chosen: Model, reference: Model) -> str:
    comparison = chosen["comparison"]
    if comparison is None:
        return ""
    drop = f"(drop {interval_text(comparison)} points)"
    if comparison["verdict"] == "better":
        return f", and is right more often than {reference['name']} {drop}"
    return f", and is as good as {reference['name']} within {comparison['margin_points']:g} points {drop}"


def _float_rival(fit: Sequence[Model], costs: dict[str, float]) -> Model | None:
    """Return the cheapest float32 file, which is what one would ship instead."""
    rivals = [model for model in fit if _is_float(model) and model["name"] in costs]
    return min(rivals, key=lambda model: costs[model["name"]], default=None)


def _is_float(model: Model) -> bool:
    return bool(model["recipe"] == "float32")
