"""Real files with a fault planted in their graph: each gets the verdict that it deserves, and none is recommended.

A model that became a fifth slower is found by comparing two reports: see test_regression.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fmnist_edge.benchmarks.gate import gate_failures
from fmnist_edge.benchmarks.harness import evaluate_models
from fmnist_edge.benchmarks.page.document import render_page
from fmnist_edge.benchmarks.report import build_report
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import Split
from fmnist_edge.runtime import open_runner
from fmnist_edge.runtime.runner import OnnxRunner

REFERENCE, SOUND = "fmnist-compact-float32.onnx", "fmnist-compact-int8.onnx"


def swap_two_classes(model: onnx.ModelProto) -> None:
    """Let the last layer give sneakers the probability of sandals, and the other way round."""
    order = numpy_helper.from_array(np.array([0, 1, 2, 3, 4, 7, 6, 5, 8, 9]), "order")
    model.graph.node[-1].output[0] = "in_order"
    model.graph.initializer.append(order)
    model.graph.node.append(helper.make_node("Gather", ["in_order", "order"], ["probabilities"], axis=1))


def double_the_first_scale(model: onnx.ModelProto) -> None:
    """Let the weights of the first convolution stand for numbers twice as large."""
    first = next(node for node in model.graph.node if node.op_type == "QLinearConv")
    (scale,) = (tensor for tensor in model.graph.initializer if tensor.name == first.input[4])
    scale.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(scale), scale.name))


def leave_as_it_is(model: onnx.ModelProto) -> None:
    """Change nothing: the fault is in the name."""


def plant(source: Path, target: Path, change: Callable[[onnx.ModelProto], None], recipe: str = "int8") -> Path:
    """Write a file with a changed graph and a card that fits it, as a faulty exporter would."""
    from fmnist_edge.export.onnx_file import append_card

    with open_runner(source) as runner:
        card = runner.card
    model = onnx.ModelProto.FromString(source.read_bytes()[: card.graph_bytes])
    change(model)
    graph = model.SerializeToString(deterministic=True)
    changed = replace(card, recipe=recipe, graph_bytes=len(graph), graph_sha256=sha256_hex(graph))
    target.write_bytes(append_card(graph, changed))
    return target


@pytest.fixture(scope="module")
def report(exports: Path, test_split: Split, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The float model, a sound int8 file and one file with each fault, on all 10,000 test images."""
    folder = tmp_path_factory.mktemp("planted")
    paths = [
        exports / REFERENCE,
        exports / SOUND,
        plant(exports / SOUND, folder / "swapped.onnx", swap_two_classes),
        plant(exports / SOUND, folder / "doubled.onnx", double_the_first_scale),
        plant(exports / REFERENCE, folder / "pretender.onnx", leave_as_it_is),
    ]
    return build_report(evaluate_models(paths, lambda path: OnnxRunner(path, threads=2), test_split), test_split)


def model_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (model for model in report["models"] if model["name"] == name)
    return dict(found)


def test_two_swapped_classes_are_worse_and_the_two_are_named(report: dict[str, Any]) -> None:
    swapped = model_of(report, "swapped.onnx")
    assert swapped["comparison"]["verdict"] == "worse"
    assert swapped["comparison"]["mcnemar_p"] < 1e-100
    lost = {change["label"]: change["recall_drop"] for change in swapped["comparison"]["classes"]}
    assert {label for label, drop in lost.items() if drop > 10} == {"Sandal", "Sneaker"}
    failures = gate_failures(report, max_class_drop_points=20)
    (said,) = [line for line in failures if line.startswith("swapped.onnx")]
    assert "Sandal loses" in said
    assert "Sneaker loses" in said


def test_a_doubled_scale_of_the_first_layer_is_worse(report: dict[str, Any]) -> None:
    doubled = model_of(report, "doubled.onnx")
    assert doubled["comparison"]["verdict"] == "worse"
    assert doubled["comparison"]["accuracy_drop_ci95"][0] > 0.5
    assert doubled["comparison"]["agreement"] < 0.99


def test_a_float_file_that_is_called_int8_is_as_good_and_not_what_it_says(report: dict[str, Any]) -> None:
    pretender = model_of(report, "pretender.onnx")
    assert (pretender["recipe"], pretender["comparison"]["verdict"]) == ("int8", "as good")
    assert pretender["comparison"]["flips"] == 0
    (finding,) = pretender["findings"]
    assert finding.startswith("pretender.onnx is called int8, but 100% of the bytes of its weights are float32")


def test_the_sound_file_has_no_finding(report: dict[str, Any]) -> None:
    assert model_of(report, SOUND)["findings"] == []
    assert model_of(report, SOUND)["comparison"]["agreement"] > 0.97


def test_no_faulty_file_is_recommended_and_each_reason_is_given(report: dict[str, Any], test_split: Split) -> None:
    reasons = {entry["name"]: entry["why"] for entry in report["recommendation"]["refused"]}
    assert set(reasons) >= {"swapped.onnx", "doubled.onnx", "pretender.onnx"}
    assert "are float32" in reasons["pretender.onnx"]
    assert "over the margin" in reasons["swapped.onnx"]
    assert report["recommendation"]["choices"][0]["ship"] in {REFERENCE, SOUND}
    page = render_page(report, test_split, [])
    assert page.count("not what it says</span>") == 1
    assert page.count('class="badge bad">worse</span>') == 2


def test_every_faulty_file_fails_the_gate_but_the_one_whose_answers_are_right(report: dict[str, Any]) -> None:
    failed = {line.split()[0] for line in gate_failures(report, max_drop_points=2)}
    assert failed >= {"swapped.onnx", "doubled.onnx"}
    assert "pretender.onnx" not in failed
