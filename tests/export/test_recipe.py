"""The recipes are data: what each name promises."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fmnist_edge.export.recipe import FORMATS, RECIPES


def test_the_names_and_formats_are_those_of_the_command_line() -> None:
    assert list(RECIPES) == ["float32", "float16", "dynamic", "int8"]
    assert FORMATS == ("onnx", "tflite")


@pytest.mark.parametrize(
    ("name", "weights", "activations", "per_channel", "calibrated"),
    [
        ("float32", "float32", "float32", False, False),
        ("float16", "float16", "float32", False, False),
        ("dynamic", "int8", "float32", True, False),
        ("int8", "int8", "int8", True, True),
    ],
)
def test_a_recipe_says_what_is_quantized(
    name: str, weights: str, activations: str, per_channel: bool, calibrated: bool
) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert (recipe.weights, recipe.activations) == (weights, activations)
    assert (recipe.per_channel, recipe.calibrated) == (per_channel, calibrated)
    assert recipe.purpose


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError, match="weights"):
        RECIPES["int8"].weights = "float32"  # type: ignore[misc]
