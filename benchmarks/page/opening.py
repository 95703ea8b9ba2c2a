"""What a reader needs first: which file to ship and why, and how each candidate did."""

from __future__ import annotations

from typing import Any

from ..tables import choice_text, disturbance_line, verdicts
from .markup import Markup, section, tag

_BADGES = {
    "better": ("better", "good"),
    "as good": ("as good", "good"),
    "not shown": ("not shown", "open"),
    "worse": ("worse", "bad"),
}


def verdict_section(report: dict[str, Any]) -> Markup:
    """Return the verdict in words."""
    opening, *sentences = verdicts(report)
    margin = report["recommendation"]["margin_points"]
    candidates = report["models"][1:]
    items = (tag("li", _badge(model), tag("span", said)) for model, said in zip(candidates, sentences, strict=True))
    disturbed = disturbance_line(report)
    question = (
        f"Is each of the others as good within a margin of {margin:g} points, stated beforehand? The whole 95% "
        "interval of its drop must lie within."
    )
    return section(
        "verdict",
        "Verdict",
        tag("ul", (_card(choice, report) for choice in report["recommendation"]["choices"]), class_="cards"),
        tag("p", tag("strong", "Disturbed. "), disturbed, class_="warning") if disturbed else "",
        tag("p", f"{opening} {question if candidates else ''}"),
        tag("ul", items, class_="verdicts") if candidates else "",
    )


def _badge(model: dict[str, Any]) -> Markup:
    if model["findings"]:
        return tag("span", "not what it says", class_="badge bad")
    text, kind = _BADGES[model["comparison"]["verdict"]]
    return tag("span", text, class_=f"badge {kind}")


def _card(choice: dict[str, Any], report: dict[str, Any]) -> Markup:
    recipes = {model["name"]: model["recipe"] for model in report["models"]}
    kind = "none" if choice["ship"] is None else recipes.get(choice["ship"])
    said = choice_text(choice)
    note = ""
    if choice["target"] == "here":
        machine = report["machine"]
        note = f" ({machine['board'] or machine['processor'] or machine['architecture']})"
    elif choice["target"] != "size":
        note = " (emulated: instructions, not time)"
    return tag(
        "li",
        tag("p", f"For {choice['title']}{note}", class_="to"),
        tag("p", said[0].upper() + said[1:], class_="ship"),
        tag("p", choice["why"]),
        class_=f"card {kind if kind in {'none'} else 'float' if kind == 'float32' else ''}".strip(),
    )
