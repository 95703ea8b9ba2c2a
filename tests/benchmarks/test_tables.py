"""The report's tables and sentences, against text written by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fmnist_edge.benchmarks.comparison import judge_drop
from fmnist_edge.benchmarks.tables import (
    Table,
    as_markdown,
    change_table,
    class_table,
    confusion_table,
    interval_text,
    key_lines,
    models_table,
    plain_text,
    size_text,
    verdicts,
)
from fmnist_edge.dataset import LABELS


def make_model(
    name: str,
    *,
    recipe: str = "int8",
    size_bytes: int = 97_000,
    p50: float | None = None,
    high: float | None = None,
    margin: float = 0.5,
) -> dict[str, Any]:
    """Return what the tables read of a model: with a latency if `p50` is given, and a comparison if `high` is."""
    comparison = {
        "accuracy_drop": 0.13,
        "accuracy_drop_ci95": [-0.05, high],
        "margin_points": margin,
        "verdict": None if high is None else judge_drop((-0.05, high), margin),
        "agreement": 0.9871,
        "flips": 129,
        "lost": 46,
        "won": 33,
    }
    return {
        "name": name,
        "format": name.rpartition(".")[2],
        "recipe": recipe,
        "size_bytes": size_bytes,
        "accuracy": 0.9136,
        "comparison": None if high is None else comparison,
        "findings": [],
        "boards": [],
        "images_per_second": None if p50 is None else {"batch1": 1e3 / p50, "batch32": 2e3 / p50},
        "latency_ms": None if p50 is None else {"p50": p50, "p90": 2 * p50, "p99": 3 * p50, "n": 340},
        "cold_start_ms": None if p50 is None else 251.6,
        "peak_rss_bytes": None if p50 is None else 80 * 2**20,
    }


def make_report(*models: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": {"n": 10_000, "split": "test"}, "models": list(models), "conditions": None}


KERAS = make_model("seed/model.keras", recipe="float32", size_bytes=1_000_000)
FLOAT32 = make_model("float32.onnx", recipe="float32", size_bytes=388_000, p50=0.5, high=0.02)
INT8 = make_model("int8.onnx", p50=0.125, high=0.31)


# --- Markdown --------------------------------------------------------------------------------------------------------


def test_a_table_is_aligned_and_is_markdown() -> None:
    table = Table("not shown", ["model", "n"], [["a", "10"], ["long name", "1"]])
    assert as_markdown(table) == (
        "| model     |  n |\n"
        "|:----------|---:|\n"
        "| a         | 10 |\n"
        "| long name |  1 |"
    )  # fmt: skip


def test_a_table_without_rows_keeps_its_header() -> None:
    assert as_markdown(Table("", ["a", "b"], [])) == "| a |  b |\n|:--|---:|"


@pytest.mark.parametrize(("cell", "shown"), [("a|b", "a\\|b"), ("a\nb", "a b"), ("||\n", "\\|\\| ")])
def test_a_cell_cannot_break_out_of_its_table(cell: str, shown: str) -> None:
    header, rule, row = as_markdown(Table("", ["x", "y"], [[cell, "1"]])).splitlines()
    assert shown in row
    assert len(header) == len(rule) == len(row)
    assert row.replace("\\|", "").count("|") == 3


# --- tables ----------------------------------------------------------------------------------------------------------


def test_models_without_latency() -> None:
    candidate = make_model("int8.onnx", high=0.31)
    table = models_table(make_report(KERAS, candidate))
    assert table.header == ["model", "accuracy", "drop (points, 95%)", "same answer", "size"]
    assert table.rows == [
        ["seed/model.keras", "91.36%", "reference", "—", "1.0 MB"],
        ["int8.onnx", "91.36%", "+0.13 (-0.05 to +0.31)", "98.71%", "97.0 kB"],
    ]


def test_models_with_latency_leave_out_what_was_not_measured() -> None:
    table = models_table(make_report(KERAS, INT8))
    assert table.header[5:] == [
        *("p50 ms", "p90 ms", "p99 ms", "images/s", "images/s by 32", "cold start ms", "peak MiB")
    ]
    assert [row[5:] for row in table.rows] == [
        ["—"] * 7,
        ["0.125", "0.250", "0.375", "8,000", "16,000", "252", "80"],
    ]


def test_instructions_of_emulated_boards_have_a_column_each() -> None:
    counted = {**INT8, "boards": [{"board": "pi5", "instructions_per_image": 1_160_000}]}
    uncounted = {**INT8, "boards": [{"board": "pi4", "instructions_per_image": None}]}
    table = models_table(make_report(KERAS, counted, uncounted))
    assert table.header[-2:] == ["pi5 M instr.", "pi4 M instr."]
    assert [row[-2:] for row in table.rows] == [["—", "—"], ["1.16", "—"], ["—", "—"]]


def test_changes_of_classes_show_their_intervals() -> None:
    bag = {"label": "Bag", "lost": 3, "won": 1, "recall_drop": 0.2, "recall_drop_ci95": [-0.2, 0.6]}
    hat = {"label": "Hat", "lost": 0, "won": 0, "recall_drop": 0.0, "recall_drop_ci95": None}
    changes = [{**entry, "precision_drop": 0.1, "f1_drop": -0.15} for entry in (bag, hat)]
    table = change_table({"name": "int8.onnx", "comparison": {"classes": changes}})
    assert table.title == "int8.onnx: what each class lost"
    assert table.rows == [
        ["Bag", "3", "1", "+0.20 (-0.20 to +0.60)", "+0.10", "-0.15"],
        ["Hat", "0", "0", "no images", "+0.10", "-0.15"],
    ]


def test_classes_with_counts_and_ratios() -> None:
    scores = {"label": "Bag", "tp": 980, "fp": 12, "tn": 8988, "fn": 20, "precision": 0.9879, "recall": 0.98, "f1": 1}
    table = class_table({"name": "int8.onnx", "per_class": [scores]})
    assert table.title == "int8.onnx: each class against all others"
    assert table.header == ["class", "TP", "FP", "TN", "FN", "precision", "recall", "F1"]
    assert table.rows == [["Bag", "980", "12", "8988", "20", "0.988", "0.980", "1.000"]]


def test_confusion_matrix_keeps_rows_true_and_columns_predicted() -> None:
    table = confusion_table({"name": "a", "confusion_matrix": [[5, 1], [2, 7]]}, ["Bag", "Coat"])
    assert table.title == "a: confusion matrix (rows true, columns predicted)"
    assert table.header == ["true", "Bag", "Coat"]
    assert table.rows == [["Bag", "5", "1"], ["Coat", "2", "7"]]


def test_tables_of_a_real_report_say_what_it_says(session_report: dict[str, Any]) -> None:
    assert len(models_table(session_report).rows) == len(session_report["models"]) == 4
    for model in session_report["models"]:
        confusion = confusion_table(model, session_report["labels"])
        assert [[int(cell) for cell in row[1:]] for row in confusion.rows] == model["confusion_matrix"]
        assert [row[0] for row in confusion.rows] == list(LABELS) == list(confusion.header[1:])
        counts = [[int(cell) for cell in row[1:5]] for row in class_table(model).rows]
        assert [sum(row) for row in counts] == [session_report["dataset"]["n"]] * 10


# --- single values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0.0 kB"), (1, "0.0 kB"), (97_049, "97.0 kB"), (1_000_000, "1.0 MB"), (32_123_456, "32.1 MB")],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("drop", "edges", "text"),
    [(0.13, [-0.047, 0.307], "+0.13 (-0.05 to +0.31)"), (-1, [-2, -0.125], "-1.00 (-2.00 to -0.12)")],
)
def test_intervals_show_their_signs(drop: float, edges: list[float], text: str) -> None:
    assert interval_text({"accuracy_drop": drop, "accuracy_drop_ci95": edges}) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), ([], "none"), (["avx2"], "avx2"), (["a", "b"], "a, b"), (0, "0"), (1.5, "1.5"), ("x", "x")],
)
def test_plain_values(value: object, text: str) -> None:
    assert plain_text(value) == text


# --- sentences -------------------------------------------------------------------------------------------------------


def test_a_verdict_says_what_a_candidate_costs_and_buys() -> None:
    opening, verdict = verdicts(make_report(KERAS, make_model("int8.onnx", high=0.31)))
    assert opening == "seed/model.keras is right on 91.36% of 10,000 images."
    assert verdict == (
        "int8.onnx is as good as the reference within 0.5 points: its drop is +0.13 (-0.05 to +0.31) points, it "
        "answers 98.71% of the images alike (129 differ, 46 for the worse, 33 for the better), and it is 10.3 times "
        "smaller."
    )


@pytest.mark.parametrize(
    ("high", "margin", "judged"),
    [
        (0.31, 0.5, "is as good as the reference within 0.5 points"),
        (0.5, 0.5, "is as good as the reference within 0.5 points"),
        (0.51, 0.5, "is not shown to be as good as the reference within 0.5 points"),
        (0.31, 0.25, "is not shown to be as good as the reference within 0.25 points"),
        (0.51, 1, "is as good as the reference within 1 points"),
    ],
)
def test_a_verdict_is_about_the_upper_end_of_the_interval(high: float, margin: float, judged: str) -> None:
    (_, verdict) = verdicts(make_report(KERAS, make_model("int8.onnx", high=high, margin=margin)))
    assert judged in verdict


def test_a_verdict_ends_with_what_is_wrong_with_the_file() -> None:
    model = {**make_model("int8.onnx", high=0.31), "findings": ["int8.onnx is called int8, but is float"]}
    (_, verdict) = verdicts(make_report(KERAS, model))
    assert verdict.endswith("10.3 times smaller. But int8.onnx is called int8, but is float.")


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(500_000, "2.0 times smaller"), (1_000_000, "of the same size"), (4_000_000, "4.0 times larger")],
)
def test_a_larger_file_is_not_called_smaller(size_bytes: int, said: str) -> None:
    (_, verdict) = verdicts(make_report(KERAS, make_model("a.onnx", size_bytes=size_bytes, high=0.1)))
    assert verdict.endswith(f"and it is {said}.")


def test_key_lines_hold_int8_against_the_float32_file_of_its_format() -> None:
    tflite = make_model("int8.tflite", p50=0.25, high=0.4)
    assert key_lines(make_report(KERAS, FLOAT32, INT8, tflite)) == [
        "float:  91.36% of 10,000 test images right (seed/model.keras)",
        "int8:   91.36%, drop +0.13 (-0.05 to +0.31) points, 98.71% of the answers unchanged (int8.onnx)",
        "int8:   91.36%, drop +0.13 (-0.05 to +0.40) points, 98.71% of the answers unchanged (int8.tflite)",
        "gained: 4.0 times smaller, 4.0 times faster (0.12 ms) than float32.onnx",
    ]


def test_key_lines_do_not_call_a_loss_a_gain() -> None:
    slow = make_model("int8.onnx", size_bytes=776_000, p50=1.0, high=0.31)
    assert key_lines(make_report(KERAS, FLOAT32, slow))[-1] == (
        "gained: 2.0 times larger, 2.0 times slower (1.00 ms) than float32.onnx"
    )


@pytest.mark.parametrize(
    "rivals",
    [
        [],
        [make_model("float32.tflite", recipe="float32", p50=0.5, high=0.02)],
        [make_model("float32.onnx", recipe="float32", high=0.02)],
    ],
    ids=["none", "of another format", "not measured"],
)
def test_key_lines_without_a_rival_compare_sizes(rivals: list[dict[str, Any]]) -> None:
    assert key_lines(make_report(KERAS, *rivals, INT8))[-1] == "gained: 97.0 kB instead of 1.0 MB"


def test_key_lines_without_int8_say_what_there_is() -> None:
    assert key_lines(make_report(KERAS, FLOAT32)) == ["float:  91.36% of 10,000 test images right (seed/model.keras)"]


def test_key_lines_of_an_int8_reference_neither_fail_nor_call_it_float() -> None:
    reference = make_model("int8.onnx", p50=0.125)
    assert key_lines(make_report(reference)) == ["int8:   91.36% of 10,000 test images right (int8.onnx)"]
    assert key_lines(make_report(reference, FLOAT32)) == key_lines(make_report(reference))


def test_sentences_leave_the_report_as_it_was(session_report: dict[str, Any]) -> None:
    before = copy.deepcopy(session_report)
    assert len(verdicts(session_report)) == 4
    assert len(key_lines(session_report)) == 4
    assert session_report == before
