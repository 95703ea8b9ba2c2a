"""Which file to ship: decided by hand for made-up figures, one question at a time."""

from __future__ import annotations

from typing import Any

import pytest

from fmnist_edge.benchmarks.recommendation import recommend

Model = dict[str, Any]


def make_model(
    name: str,
    *,
    p50: float | None = 1.0,
    size: int = 100_000,
    verdict: str | None = "as good",
    agreement: float = 0.99,
    worst: float = 0.1,
    finding: str | None = None,
    pi4: int | None = None,
) -> Model:
    """Return what a recommendation reads of a model; recipe and format are in its name, ``None`` is the reference."""
    recipe, _, kind = name.rpartition(".")
    low, high = {"better": (-0.3, -0.1), "worse": (0.8, 1.6), "not shown": (0.1, 0.9)}.get(str(verdict), (-0.1, 0.2))
    comparison = {
        "verdict": verdict,
        "margin_points": 0.5,
        "agreement": agreement,
        "accuracy_drop": (low + high) / 2,
        "accuracy_drop_ci95": [low, high],
        "classes": [{"label": "Bag", "recall_drop": 0.0}, {"label": "Shirt", "recall_drop": worst}],
    }
    return {
        "name": name,
        "format": kind,
        "recipe": recipe.split("-")[0],
        "size_bytes": size,
        "findings": [finding] if finding else [],
        "comparison": comparison if verdict else None,
        "latency_ms": None if p50 is None else {"p50": p50},
        "boards": [] if pi4 is None else [{"board": "pi4", "instructions_per_image": pi4}],
    }


KERAS = make_model("float32.keras", p50=None, size=400_000, verdict=None)
FLOAT = make_model("float32.onnx", p50=4.0, size=400_000, agreement=1.0)


def choose(*models: Model) -> list[dict[str, Any]]:
    """Return the choices for these models; the first is the reference."""
    choices: list[dict[str, Any]] = recommend(models, margin_points=0.5, class_margin_points=2.0)["choices"]
    return choices


def test_the_fastest_file_that_is_as_good_is_shipped_and_the_reason_is_given() -> None:
    (choice,) = choose(KERAS, FLOAT, make_model("int8.onnx"), make_model("dynamic.onnx", p50=2.0))
    assert (choice["target"], choice["title"], choice["ship"]) == ("here", "this machine", "int8.onnx")
    assert choice["why"] == (
        "It answers in 1.00 ms, 4.0 times faster than float32.onnx, is 4.0 times smaller, and is as good as "
        "float32.keras within 0.5 points (drop +0.05 (-0.10 to +0.20) points)."
    )


def test_a_model_that_is_better_is_said_to_be() -> None:
    (choice,) = choose(KERAS, FLOAT, make_model("int8.onnx", verdict="better"))
    assert choice["why"].endswith("and is right more often than float32.keras (drop -0.20 (-0.30 to -0.10) points).")


def test_within_five_percent_the_smaller_file_wins_and_then_the_more_faithful() -> None:
    fast, small = make_model("dynamic.tflite", p50=1.0, size=110_000), make_model("int8.tflite", p50=1.04)
    assert choose(KERAS, FLOAT, fast, small)[0]["ship"] == "int8.tflite"
    assert choose(KERAS, FLOAT, fast, make_model("int8.tflite", p50=1.06))[0]["ship"] == "dynamic.tflite"
    alike = make_model("dynamic.tflite", p50=1.0, size=104_000, agreement=0.999)
    assert choose(KERAS, FLOAT, alike, small)[0]["ship"] == "dynamic.tflite"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (make_model("int8.onnx", verdict="worse"), "may reach 1.60, over the margin of 0.5"),
        (make_model("int8.onnx", verdict="not shown"), "may reach 0.90, over the margin of 0.5"),
        (make_model("int8.onnx", worst=2.1), "Shirt loses 2.1 points of recall, more than 2"),
        (make_model("int8.onnx", finding="it is float"), "it is float"),
    ],
)
def test_float_is_shipped_where_that_is_the_truth(model: Model, why: str) -> None:
    recommendation = recommend([KERAS, FLOAT, model], margin_points=0.5, class_margin_points=2.0)
    (choice,) = recommendation["choices"]
    assert choice["ship"] == "float32.onnx"
    assert "Ship float, because no quantized file may go out: int8.onnx: " in choice["why"]
    assert why in choice["why"]
    (refused,) = recommendation["refused"]
    assert refused["name"] == "int8.onnx"
    assert refused["why"].endswith(why)


def test_float_is_shipped_where_nothing_else_is_faster() -> None:
    (choice,) = choose(KERAS, FLOAT, make_model("int8.onnx", p50=9.0))
    assert choice["ship"] == "float32.onnx"
    assert choice["why"].endswith("Ship float: no other file that is as good costs less here.")
    (alone,) = choose(KERAS, FLOAT)
    assert alone["why"].endswith("No other recipe was measured beside float32.")


def test_where_nothing_may_go_out_the_float_file_is_to_be_exported() -> None:
    (choice,) = choose(KERAS, make_model("int8.onnx", verdict="worse"))
    assert choice["ship"] is None
    assert choice["why"].startswith("Ship float (fmnist-edge export --float32). No other file may go out: int8.onnx: ")


def test_a_keras_model_alone_cannot_be_shipped() -> None:
    (choice,) = choose(KERAS)
    assert choice["ship"] is None
    assert choice["why"] == "No exported file was measured; write some with fmnist-edge export --all."


def test_an_exported_reference_can_be_shipped_itself() -> None:
    reference = make_model("float32.onnx", p50=0.5, verdict=None)
    (choice,) = choose(reference, make_model("int8.onnx", verdict="worse"))
    assert choice["ship"] == "float32.onnx"


def test_without_latency_the_smallest_file_counts() -> None:
    (choice,) = choose(
        KERAS, make_model("float32.onnx", p50=None, size=400_000), make_model("int8.onnx", p50=None, size=100_000)
    )
    assert (choice["target"], choice["ship"]) == ("size", "int8.onnx")
    assert choice["why"].startswith("It takes 100.0 kB, is 4.0 times smaller than float32.onnx, and is as good as")


def test_each_board_has_a_choice_of_its_own() -> None:
    here, board = choose(
        KERAS,
        make_model("float32.tflite", p50=4.0, size=400_000, pi4=31_000_000),
        make_model("dynamic.tflite", p50=0.7, pi4=26_000_000),
        make_model("int8.tflite", p50=0.8, pi4=23_000_000),
    )
    assert here["ship"] == "dynamic.tflite"
    assert (board["target"], board["title"], board["ship"]) == ("pi4", "Raspberry Pi 4", "int8.tflite")
    assert board["why"].startswith(
        "It takes 23.00 million instructions an image, 1.3 times fewer than float32.tflite, is 4.0 times smaller"
    )


def test_a_reference_in_int8_is_not_compared_with_itself() -> None:
    reference = make_model("int8.onnx", p50=0.5, verdict=None)
    (choice,) = choose(reference, make_model("int8.tflite", p50=2.0))
    assert choice["ship"] == "int8.onnx"
    assert choice["why"] == "It answers in 0.50 ms; the others are compared with it."
    (choice,) = choose(reference, make_model("int8.tflite", p50=0.1, size=103_000))
    assert "It answers in 0.10 ms, is about as large as int8.onnx, " in choice["why"]


def test_without_a_float_file_the_reference_is_the_measure() -> None:
    (choice,) = choose(KERAS, make_model("int8.onnx"))
    assert choice["why"].startswith("It answers in 1.00 ms, is 4.0 times smaller than float32.keras, and is as good")


def test_a_disturbed_machine_is_doubted() -> None:
    models = [KERAS, FLOAT, make_model("int8.onnx")]
    found = recommend(models, margin_points=0.5, class_margin_points=2.0, disturbed=True)
    why = found["choices"][0]["why"]
    assert why.startswith(
        "It answers in 1.00 ms (the machine was disturbed: measure again before you rely on it), 4.0 times faster than"
    )
