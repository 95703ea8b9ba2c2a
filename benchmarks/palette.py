"""The colours of the report, by what they stand for. Pictures are drawn in the light ones, the page recolours them."""

from __future__ import annotations

import re

LIGHT = {
    "paper": "#ffffff",
    "surface": "#f5f6f8",
    "tint": "#e6f3f4",
    "ink": "#1b1e24",
    "muted": "#59606d",
    "faint": "#757c89",
    "line": "#dcdfe5",
    "link": "#0a58ca",
    "good": "#1a7340",
    "bad": "#b3261e",
    "unsure": "#8a5a00",
    "float32": "#4a5568",
    "float16": "#7a4fc9",
    "dynamic": "#c2600a",
    "int8": "#0b7a86",
    "other": "#b03a78",
}
DARK = {
    "paper": "#14161a",
    "surface": "#1e2127",
    "tint": "#123338",
    "ink": "#e8eaee",
    "muted": "#a4abb8",
    "faint": "#868e9b",
    "line": "#343941",
    "link": "#7db4ff",
    "good": "#5fd08a",
    "bad": "#ff8a80",
    "unsure": "#f0b44c",
    "float32": "#a9b6cc",
    "float16": "#b698f5",
    "dynamic": "#f29a4e",
    "int8": "#3fc3d0",
    "other": "#f08fc0",
}
RECIPES = ("float32", "float16", "dynamic", "int8")


def recipe_colour(recipe: str) -> str:
    """Name the colour of a recipe's models.

    >>> recipe_colour("int8"), recipe_colour("int4")
    ('int8', 'other')
    """
    return recipe if recipe in RECIPES else "other"


def recolour(svg: str) -> str:
    """Let the page decide the colours of a picture that was drawn in the light ones.

    >>> recolour('<path style="fill: #1b1e24"/>')
    '<path style="fill: var(--ink)"/>'
    """
    names = {colour: name for name, colour in LIGHT.items()}
    return re.sub("|".join(names), lambda match: f"var(--{names[match[0]]})", svg)
