"""The models in the box: those that come with the package, in the folder ``models``.

``compact`` is for pictures like those of the dataset, ``compact-photo`` is the same network tuned on garments cut out
of photos, and ``strong`` is the larger one that taught them, for who asks for it. They are found by a path beside this
file, because every import is time at every start.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "models"
DATASET, PHOTO, STRONG = "compact", "compact-photo", "strong"
ARCHITECTURES = {DATASET: "compact", PHOTO: "compact", STRONG: "strong"}
"""The networks in the box, as the command line calls them, and the architecture of each."""
NAMES = tuple(ARCHITECTURES)
MANIFEST = "models.json"
"""Where each file comes from, its hash, and what it gets right; written by the hidden command ``box``."""
BOX = "box"
"""`DATASET` and `PHOTO`, each for its own kind of picture."""
IN_USE = (DATASET, PHOTO)
"""What answers where no model is named."""

REINSTALL = "pip install --force-reinstall --no-deps fmnist-edge"
"""What mends a box of which something is missing or damaged."""


def in_the_box(name: str, ending: str) -> Path:
    """Return the file of a network in the box.

    Args:
        name: one of `NAMES`.
        ending: ``.keras`` for the float model, ``-int8.onnx`` and ``-int8.tflite`` for the exports.

    >>> in_the_box("compact-photo", "-int8.onnx").name
    'fmnist-compact-photo-int8.onnx'
    """
    return FOLDER / f"fmnist-{name}{ending}"


def int8_model(name: str) -> Path:
    """Return the int8 ONNX file of a network in the box; its TFLite twin lies beside it."""
    return in_the_box(name, "-int8.onnx")
