"""The models in the box: those that come with the package, in the folder ``models``.

``compact`` is for pictures like those of the dataset, ``compact-photo`` is the same network tuned on garments cut out
of photos. They are found by a path beside this file, because every import is time at every start.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "models"
DATASET, PHOTO = "compact", "compact-photo"
NAMES = (DATASET, PHOTO)
"""The networks in the box, and what ``train --base`` calls them."""


def in_the_box(name: str, ending: str) -> Path:
    """Return the file of a network in the box.

    Args:
        name: one of `NAMES`.
        ending: ``.keras`` for the float model, ``-int8.onnx`` and ``-int8.tflite`` for the exports.

    >>> in_the_box("compact-photo", "-int8.onnx").name
    'fmnist-compact-photo-int8.onnx'
    """
    return FOLDER / f"fmnist-{name}{ending}"
