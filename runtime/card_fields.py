"""What a ModelCard's fields must be. A card travels with its file, so whoever made the file wrote what stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MAX_DEPTH = 16
"""Maps and lists within each other; our own cards have four."""
MAX_LABELS = 1_000
MAX_TEXT = 10_000
"""Characters of one text."""


def fault_of(content: Mapping[str, Any], required: Sequence[str]) -> str:
    """Say what is wrong with the fields of a card, or nothing.

    >>> fault_of({"name": 1}, ["name"])
    'name that is no text'
    >>> fault_of({}, ["name", "arch"])
    'no name, arch'
    """
    missing = [name for name in required if name not in content]
    if missing:
        return f"no {', '.join(missing)}"
    unusable = _unusable(content, MAX_DEPTH)
    if unusable:
        return unusable
    for name, (holds, kind) in _KINDS.items():
        if name in content and not holds(content[name]):
            return f"{name} that {'are' if name == 'labels' else 'is'} no {kind}"
    return ""


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_map(value: object) -> bool:
    return isinstance(value, dict)


def _is_map_or_none(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _are_labels(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_LABELS and all(isinstance(label, str) for label in value)


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _are_ratios(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(map(_is_number, value.values())))


def _is_calibration(value: object) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("indices", []), list))


def _is_training(value: object) -> bool:
    if not isinstance(value, dict):
        return value is None
    accuracy = value.get("validation_accuracy")
    inner = [value.get("options"), value.get("versions")]
    return (accuracy is None or _is_number(accuracy)) and all(map(_is_map_or_none, inner))


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_text, "text"),
    "arch": (_is_text, "text"),
    "recipe": (_is_text, "text"),
    "labels": (_are_labels, "list of names"),
    "input": (_is_map, "map"),
    "output": (_is_map, "map"),
    "calibration": (_is_calibration, "map with a list of indices"),
    "training": (_is_training, "map of options, versions and an accuracy"),
    "versions": (_is_text_map, "map of texts"),
    "graph_bytes": (_is_size, "size"),
    "graph_sha256": (_is_text, "text"),
    "sqnr_db": (_are_ratios, "map of numbers"),
    "confidence": (_is_map_or_none, "map"),
}


def _unusable(value: object, depth: int) -> str:
    """Say what in a card can be neither shown nor walked through: deep nesting, endless or unprintable text."""
    if depth == 0:
        return f"more than {MAX_DEPTH} maps within each other"
    if isinstance(value, str):
        return _unusable_text(value)
    if isinstance(value, Mapping):
        inner: Sequence[object] = [*value, *value.values()]
    else:
        inner = value if isinstance(value, list) else ()
    return next((fault for fault in (_unusable(entry, depth - 1) for entry in inner) if fault), "")


def _unusable_text(text: str) -> str:
    r"""Say why a text cannot be shown on a terminal: what moves its cursor, colours it, or is half a character.

    >>> _unusable_text("Größe"), _unusable_text("\x1b[2J")
    ('', 'a control character in a text')
    """
    if len(text) > MAX_TEXT:
        return f"a text of {len(text):,} characters"
    if text.isprintable():
        return ""
    import unicodedata  # a megabyte that honest cards do without

    hidden = any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in text)
    return "a control character in a text" if hidden else ""
