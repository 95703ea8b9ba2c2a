"""Images: every one that was answered differently, and some that are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .markup import Markup, details, picture, section, tag
from .names import short_names

MOST_IMAGES = 600
"""A model that is broken flips thousands; the page shows those whose probabilities moved most, and says so."""
Change = dict[str, Any]


def flips_section(report: dict[str, Any], images: npt.NDArray[np.uint8]) -> Markup:
    """Return every image that a candidate answers otherwise than the reference, uint8 ``(n, 28, 28)`` at hand."""
    reference, *candidates = report["models"]
    changes: dict[int, list[tuple[str, Change]]] = {}
    for model in candidates:
        for change in model["comparison"]["flipped"]:
            changes.setdefault(change["image"], []).append((model["name"], change))
    ranked = sorted(changes.items(), key=lambda entry: -max(change["change"] for _, change in entry[1]))
    shown = ranked[:MOST_IMAGES]
    names = short_names([model["name"] for model in candidates])
    groups = {"lost": [], "won": [], "moved": []}  # type: dict[str, list[Markup]]
    for at, entries in shown:
        groups[_kind(entries)].append(_flip(at, entries, images[at], report["labels"], names))
    opening = _opening(len(ranked), len(shown), reference["name"])
    return section("flips", "Every changed answer", tag("p", opening), _groups(groups))


def _opening(found: int, shown: int, reference: str) -> str:
    if not found:
        return f"No candidate answers any image otherwise than {reference}."
    said = f"{found:,} images are answered otherwise by at least one candidate than by {reference}."
    if shown < found:
        said += f" Shown are the {shown:,} whose probabilities moved most; all are in report.json."
    return said


def _groups(groups: dict[str, list[Markup]]) -> Iterator[Markup]:
    titles = {
        "lost": "For the worse: the reference is right, and a candidate is not",
        "won": "For the better: the reference is wrong, and a candidate is right",
        "moved": "Both wrong, in another way",
    }
    for kind, cards in groups.items():
        if cards:
            yield tag("h3", f"{titles[kind]} ({len(cards):,})")
            yield tag("ul", cards, class_="gallery")


def _kind(entries: Sequence[tuple[str, Change]]) -> str:
    if any(change["reference"] == change["label"] for _, change in entries):
        return "lost"
    return "won" if any(change["candidate"] == change["label"] for _, change in entries) else "moved"


def _flip(
    at: int,
    entries: Sequence[tuple[str, Change]],
    image: npt.NDArray[np.uint8],
    labels: Sequence[str],
    names: dict[str, str],
) -> Markup:
    first = entries[0][1]
    said: dict[int, list[str]] = {}
    for name, change in entries:
        said.setdefault(change["candidate"], []).append(f"{names[name]} {change['candidate_probability']:.0%}")
    lines = (tag("p", tag("strong", labels[answer]), f": {', '.join(models)}") for answer, models in said.items())
    before = f"{labels[first['reference']]}: reference {first['reference_probability']:.0%}"
    text = tag("div", tag("p", labels[first["label"]], tag("span", f" #{at}", class_="lead"), class_="true"),
               tag("p", before), lines)  # fmt: skip
    return tag("li", picture(image, alt=f"Test image {at}, {labels[first['label']]}"), text)


def misclassified_section(report: dict[str, Any], images: npt.NDArray[np.uint8]) -> Markup:
    """Return some images that one model gets wrong."""
    drawn, labels = report["misclassified"], report["labels"]
    cards = (
        tag(
            "li",
            picture(images[entry["image"]], alt=f"Test image {entry['image']}, {labels[entry['label']]}"),
            tag(
                "div",
                tag("p", labels[entry["label"]], tag("span", f" #{entry['image']}", class_="lead"), class_="true"),
                tag("p", "is called ", tag("strong", labels[entry["answer"]]), f" {entry['probability']:.0%}"),
            ),
        )
        for entry in drawn["images"]
    )
    count = len(drawn["images"])
    opening = (
        f"{count} of the {drawn['of']:,} images that {drawn['model']} gets wrong, "
        f"drawn at random (seed {drawn['seed']})."
    )
    return section("wrong", "Some mistakes", tag("p", opening), tag("ul", cards, class_="gallery") if count else "")


def moved_table_rows(model: dict[str, Any], labels: Sequence[str]) -> list[list[str]]:
    """Return the largest changes of probability as rows of text."""
    return [
        [
            f"#{change['image']}",
            labels[change["label"]],
            f"{labels[change['reference']]} {change['reference_probability']:.1%}",
            f"{labels[change['candidate']]} {change['candidate_probability']:.1%}",
            f"{100 * change['change']:.1f}",
        ]
        for change in model["comparison"]["probability_change"]["largest"]
    ]


def moved_details(report: dict[str, Any], model: dict[str, Any], *, open_: bool) -> Markup:
    """Return a candidate's largest changes of probability."""
    from .markup import table

    change = model["comparison"]["probability_change"]
    summary = (
        f"{model['name']}: probabilities move by {100 * change['mean']:.2f} points on average, "
        f"99 of 100 images by less than {100 * change['p99']:.1f}"
    )
    header = ["image", "true", "reference", "candidate", "points moved"]
    rows = moved_table_rows(model, report["labels"])
    return details(summary, table(header, rows, caption=f"Largest changes of {model['name']}"), open_=open_)
