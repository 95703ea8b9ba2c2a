"""The ways to export, as data: a recipe names what is quantized and how; converters read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..common.errors import EdgeError

Format = Literal["onnx", "tflite", "c"]
FORMATS: tuple[Format, ...] = ("onnx", "tflite")
"""The formats that a runtime opens as a file; `c` is for microcontrollers, which have no files, and is asked for."""


Target = Literal["generic", "arm-dot"]
GENERIC: Target = "generic"
ARM_DOT: Target = "arm-dot"
"""Which processors an int8 ONNX file is written for: any, or ARM with dot products, such as the Raspberry Pi 5's.

The second has int8 activations: a tenth fewer instructions there, more on other ARM processors, and on x86 onnxruntime
has no fast kernels for it at all: 25 times the time.
"""


@dataclass(frozen=True)
class Refusal:
    """Why a recipe does not exist in a format.

    Attributes:
        reason: what the format lacks, as a clause that follows "because".
        alternative: what comes nearest, as options of the command line.
    """

    reason: str
    alternative: str


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
        refusals: the formats that the recipe does not exist in, and why.
    """

    name: str
    weights: Literal["float32", "float16", "int8"]
    activations: Literal["float32", "int8", "int16"]
    per_channel: bool
    calibrated: bool
    purpose: str
    refusals: Mapping[Format, Refusal] = field(default_factory=dict)


def _no_c(what: str) -> Mapping[Format, Refusal]:
    reason = f"a microcontroller has neither the memory nor the arithmetic for {what}"
    return {"c": Refusal(reason, "--int8 or --int16x8 with --format c")}


_NO_ONNX = Refusal(
    "onnxruntime has no kernels for 16-bit activations: QLinearConv takes 8 bits, and a graph quantized to 16 runs in "
    "float",
    "--int8 in ONNX, or --int16x8 --format tflite",
)

FLOAT32 = Recipe(
    "float32",
    "float32",
    "float32",
    per_channel=False,
    calibrated=False,
    purpose="the model as trained; the reference on the device",
    refusals=_no_c("float weights"),
)
FLOAT16 = Recipe(
    "float16",
    "float16",
    "float32",
    per_channel=False,
    calibrated=False,
    purpose="half the size; computed in float32 on a CPU",
    refusals=_no_c("float weights"),
)
DYNAMIC = Recipe(
    "dynamic",
    "int8",
    "float32",
    per_channel=True,
    calibrated=False,
    purpose="int8 weights, activations quantized while running",
    refusals=_no_c("float activations"),
)
INT8 = Recipe(
    "int8",
    "int8",
    "int8",
    per_channel=True,
    calibrated=True,
    purpose="int8 throughout: smallest and, on a Pi, fastest",
)
INT16X8 = Recipe(
    "int16x8",
    "int8",
    "int16",
    per_channel=True,
    calibrated=True,
    purpose="int8 weights, int16 activations: nearest to the float model, slower than int8",
    refusals={"onnx": _NO_ONNX},
)

RECIPES = {recipe.name: recipe for recipe in (FLOAT32, FLOAT16, DYNAMIC, INT8, INT16X8)}
"""All recipes by name."""


def refused_pairs(recipes: Sequence[Recipe], formats: Sequence[Format]) -> list[str]:
    """Say of every recipe that does not exist in one of `formats` why, and what comes nearest; one line each.

    >>> refused_pairs([INT8], ["onnx", "tflite", "c"])
    []
    >>> refused_pairs([FLOAT32], ["c"])[0][:27]
    'there is no float32 as .c, '
    """
    pairs = [(recipe, kind) for recipe in recipes for kind in formats if kind in recipe.refusals]
    return [
        f"there is no {recipe.name} as .{kind}, because {recipe.refusals[kind].reason}; "
        f"nearest: {recipe.refusals[kind].alternative}"
        for recipe, kind in pairs
    ]


def possible_pairs(recipes: Sequence[Recipe], formats: Sequence[Format]) -> list[tuple[Recipe, Format]]:
    """Return the recipes with those of `formats` that each exists in.

    Raises:
        EdgeError: a recipe exists in none of `formats`; says why, and what comes nearest.
    """
    for recipe in recipes:
        if all(kind in recipe.refusals for kind in formats):
            kind = formats[0]
            what, refusal = f"there is no {recipe.name} as .{kind}", recipe.refusals[kind]
            raise EdgeError(f"{what}, because {refusal.reason}", hint=refusal.alternative)
    return [(recipe, kind) for recipe in recipes for kind in formats if kind not in recipe.refusals]
