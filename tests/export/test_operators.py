"""The names of arithmetic and the counts, by hand."""

from __future__ import annotations

import pytest

from fmnist_edge.export.operators import Operator, arithmetic_of, count_macs, float_islands, layers_of


def operator(name: str, arithmetic: str) -> Operator:
    return Operator("It", name, "onnx", None, arithmetic, None, None, "float32", (1,), 0, 0)


@pytest.mark.parametrize(
    ("taken", "given", "weights", "name"),
    [
        (["uint8"], ["uint8"], "int8", "int8"),
        (["int8"], ["int32"], "uint8", "int8"),
        (["int8"], ["float32"], "int8", "int8"),  # a layer computes in what it takes, whatever it gives
        (["int16"], ["int16"], "int8", "int16x8"),
        (["float32"], ["float32"], "int8", "dynamic"),
        (["float16"], ["float16"], "float16", "float16"),
        (["float32"], ["float32"], "float32", "float32"),
        (["int8"], ["int8"], "int4", "int8 x int4"),
        (["float32"], ["float32"], "int4", "float32 x int4"),
        (["uint8"], ["float32"], None, "float32"),
        (["float32"], ["uint8"], None, "float32"),
        (["uint8", "int64"], ["uint8"], None, "uint8"),
        (["int64"], ["int64"], None, "int64"),
        ([], ["float32"], None, "constant"),
        ([], ["float32"], "int8", "constant"),
    ],
)
def test_arithmetic_is_named_by_the_types(taken: list[str], given: list[str], weights: str | None, name: str) -> None:
    assert arithmetic_of(taken, given, weights) == name


def test_only_what_is_float_between_the_first_and_the_last_integer_operator_is_an_island() -> None:
    kinds = ["float32", "uint8", "constant", "float32", "int8", "int64", "dynamic", "int16x8", "float32"]
    operators = [operator(str(n), kind) for n, kind in enumerate(kinds)]
    assert [entry.name for entry in float_islands(operators)] == ["3", "6"]
    assert float_islands([operators[0], operators[8]]) == ()
    assert float_islands([]) == ()


@pytest.mark.parametrize("shape", [(), (None, 4), (1, None)])
def test_what_cannot_be_counted_is_not_guessed(shape: tuple[int | None, ...]) -> None:
    assert count_macs(shape, 8, 2) is None


def test_layers_are_told_from_other_operators() -> None:
    assert layers_of([operator("a", "int8")]) == ()
