"""The ways to export, as data: a recipe names what is quantized and how; converters read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["onnx", "tflite"]
FORMATS: tuple[Format, ...] = ("onnx", "tflite")


@dataclass(frozen=True)
class Recipe:
    """One way to export.

    Attributes:
        name: as on the command line and in file names.
        weights: type that the weights are stored in.
        activations: type that the activations are computed in.
        per_channel: whether every output channel has a weight scale of its own.
        calibrated: whether activation ranges are measured on training images.
        purpose: one line for the user.
    """

    name: str
    weights: Literal["float32", "float16", "int8"]
    activations: Literal["float32", "int8"]
    per_channel: bool
    calibrated: bool
    purpose: str


FLOAT32 = Recipe("float32", "float32", "float32", False, False, "the model as trained; the reference on the device")
FLOAT16 = Recipe("float16", "float16", "float32", False, False, "half the size; computed in float32 on a CPU")
DYNAMIC = Recipe("dynamic", "int8", "float32", True, False, "int8 weights, activations quantized while running")
INT8 = Recipe("int8", "int8", "int8", True, True, "int8 throughout: smallest and, on a Pi, fastest")

RECIPES = {recipe.name: recipe for recipe in (FLOAT32, FLOAT16, DYNAMIC, INT8)}
"""All recipes by name."""
