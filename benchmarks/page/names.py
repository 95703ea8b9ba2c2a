"""Short names for models that share the beginning of their names, for places with little room."""

from __future__ import annotations

from collections.abc import Sequence


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Take from names what all have in common, up to a hyphen; names that have nothing in common stay.

    >>> short_names(["fmnist-seed-int8.onnx", "fmnist-seed-int8.tflite"])
    {'fmnist-seed-int8.onnx': 'int8.onnx', 'fmnist-seed-int8.tflite': 'int8.tflite'}
    >>> short_names(["a.onnx"])
    {'a.onnx': 'a.onnx'}
    """
    first, last = min(names, default=""), max(names, default="")  # what these two share, all share
    same = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), 0)
    cut = first[:same].rfind("-") + 1
    return {name: name[cut:] for name in names}
