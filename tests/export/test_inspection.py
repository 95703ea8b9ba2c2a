"""What an inspection says of a file: what it claims, what it keeps, and files of every other kind."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from onnx import helper

from fmnist_edge.benchmarks.tables import as_markdown
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.export.flatbuffer import read_model
from fmnist_edge.export.inspection import Inspection, inspect, require_promised
from fmnist_edge.export.inspection_tables import description, errors_table, operators_table, short_name, summary
from fmnist_edge.export.onnx_file import append_card
from fmnist_edge.export.recipe import FLOAT32, FORMATS, Format
from fmnist_edge.export.tflite import convert_float
from fmnist_edge.export.tflite_file import append_card as append_tflite_card
from fmnist_edge.runtime import ModelCard
from fmnist_edge.runtime.card import read_onnx_card, read_tflite_card

from .onnx_models import half_quantized, save

Network = Callable[..., keras.Model]


def card_of(path: Path) -> ModelCard:
    if path.suffix == ".tflite":
        return read_tflite_card(path)
    return read_onnx_card({entry.key: entry.value for entry in onnx.load(path).metadata_props}, source="it")


def carded(graph: bytes, card: ModelCard, **fields: object) -> bytes:
    """Put `card` with other fields behind an ONNX graph that it fits."""
    fields = {"graph_bytes": len(graph), "graph_sha256": sha256_hex(graph)} | fields
    return append_card(graph, dataclasses.replace(card, **fields))  # type: ignore[arg-type]


# --- our files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_an_int8_export_is_int8_in_every_layer(kind: Format, exports: Path) -> None:
    inspection = inspect(exports / f"fmnist-compact-int8.{kind}")
    audit = inspection.as_audit()
    assert (inspection.recipe, inspection.faults, inspection.notes) == ("int8", (), ())
    assert audit["layers"] == audit["layers_in_arithmetic"] == 11
    assert audit["macs"] == audit["macs_in_arithmetic"] == audit["macs_in_int8"] > 1e6
    assert audit["float_islands"] == []
    require_promised(inspection)


def test_both_int8_files_tell_the_same_quantization_errors_worst_first(exports: Path) -> None:
    first, second = (inspect(exports / f"fmnist-compact-int8.{kind}").sqnr_db for kind in FORMATS)
    assert first == second
    ratios = [ratio for _, ratio in first]
    assert ratios == sorted(ratios)
    assert len(ratios) == 13  # three sums, and every layer but the last, whose range is narrow on purpose
    assert all(10 < ratio < 60 for ratio in ratios)


@pytest.mark.parametrize("kind", FORMATS)
def test_layers_of_the_error_table_are_found_among_the_operators(kind: Format, exports: Path) -> None:
    inspection = inspect(exports / f"fmnist-compact-int8.{kind}")
    assert {name for name, _ in inspection.sqnr_db} <= {entry.name for entry in inspection.operators}


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic"])
@pytest.mark.parametrize("kind", FORMATS)
def test_other_recipes_promise_no_integers(recipe: str, kind: Format, exports: Path) -> None:
    inspection = inspect(exports / f"fmnist-compact-{recipe}.{kind}")
    assert (inspection.faults, inspection.sqnr_db) == ((), ())
    assert inspection.as_audit()["macs_in_int8"] == 0
    assert errors_table(inspection) is None
    assert "float:" not in summary(inspection)


def test_the_json_holds_what_the_tables_show(int8_onnx: Path) -> None:
    shown = json.loads(json.dumps(inspect(int8_onnx).as_json()))
    assert {"name", "recipe", "runtime", "faults", "inputs", "outputs", "parameters", "macs", "card"} <= set(shown)
    assert shown["card"]["recipe"] == "int8"
    assert sum(entry["parameters"] for entry in shown["operators"]) == shown["parameters"]
    assert sum(entry["macs"] for entry in shown["operators"]) == shown["macs"]
    assert not any(entry["is_float_island"] for entry in shown["operators"])
    assert shown["worst_layer"] == shown["sqnr_db"][0]["layer"]


def test_the_words_name_sums_contract_and_card(int8_onnx: Path) -> None:
    inspection = inspect(int8_onnx)
    line = summary(inspection)
    assert line.startswith("fmnist-compact-int8.onnx: 11 of 11 convolutions and dense layers in int8, ")
    assert "; float: DequantizeLinear, Softmax; worst layer " in line
    assert re.search(r" dB\); expected to change \d\.\d\d% of the labels \(recovery not tried\)$", line)
    lines = description(inspection)
    assert "input: pixels, uint8 (n, 28, 28), grey, 0 is background" in lines
    assert any(line.startswith("MACs for one picture: ") and line.endswith("100.0% of them in int8") for line in lines)
    assert any(line.startswith("calibration: ") and "indices" not in line for line in lines)
    table = operators_table(inspection)
    assert len(table.rows) == len(inspection.operators)
    assert all(len(row) == len(table.header) for row in table.rows)
    errors = errors_table(inspection)
    assert errors is not None
    assert len(as_markdown(errors).splitlines()) == 2 + len(inspection.sqnr_db)


def test_names_of_our_layers_are_shortened_and_those_of_others_are_not(int8_onnx: Path) -> None:
    card = dataclasses.replace(card_of(int8_onnx), arch="seed")
    for name in ("seed_1/conv2_1/Relu", "seed/conv2/Relu", "seed_1/conv2_1/Relu:0_nchwc", "fused seed_1/conv2_1/Mat"):
        assert short_name(name, card) == "conv2"
        assert short_name(name, None) == name
    assert short_name("/features/conv2/Relu", card) == "/features/conv2/Relu"


# --- files that are not what they claim -------------------------------------------------------------------------------


def test_a_float_layer_in_a_file_called_int8_is_a_fault_by_name(int8_onnx: Path, tmp_path: Path) -> None:
    graph = half_quantized(tmp_path / "half.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(carded(graph, card_of(int8_onnx)))
    inspection = inspect(tmp_path / "half.onnx")
    (fault,) = inspection.faults
    assert "conv2" in fault
    assert fault.endswith("runs in float32, not in int8")
    line = summary(inspection)
    assert "2 of 3 convolutions and dense layers in int8, 19.6 k of 28.8 k MACs" in line
    assert "of them between integer operators)" in line
    assert any("(island)" in row[6] for row in operators_table(inspection).rows)
    match = (
        r"half.onnx was not written; expected every convolution and dense layer in int8; got conv2.* runs in float32"
    )
    with pytest.raises(EdgeError, match=match) as refused:
        require_promised(inspection)
    assert refused.value.exit_code == 1


def test_a_float_tflite_whose_card_says_int8_is_told_with_all_its_layers(
    network: Network, int8_tflite: Path, tmp_path: Path
) -> None:
    graph = convert_float(network(keras.layers.Conv2D(4, 3)), FLOAT32)
    card = dataclasses.replace(card_of(int8_tflite), graph_bytes=len(graph), graph_sha256=sha256_hex(graph))
    (tmp_path / "a.tflite").write_bytes(append_tflite_card(graph, card))
    inspection = inspect(tmp_path / "a.tflite")
    assert len(inspection.faults) == 2
    assert all(fault.endswith("runs in float32, not in int8") for fault in inspection.faults)
    assert "(CONV_2D)" in inspection.faults[0]
    with pytest.raises(EdgeError, match=r"a.tflite was not written; .*\(CONV_2D\) runs in float32, .* and 1 more"):
        require_promised(inspection)


def test_a_claim_of_int16_is_not_kept_by_int8(int8_onnx: Path, tmp_path: Path) -> None:
    card = card_of(int8_onnx)
    graph = int8_onnx.read_bytes()[: card.graph_bytes]
    (tmp_path / "a.onnx").write_bytes(carded(graph, card, recipe="int16x8"))
    faults = inspect(tmp_path / "a.onnx").faults
    assert len(faults) == 11
    assert all(fault.endswith("runs in int8, not in int16x8") for fault in faults)


@pytest.mark.parametrize(("name", "faults"), [("resnet-int8.onnx", 1), ("resnet.onnx", 0)])
def test_without_a_card_the_name_is_the_claim(name: str, faults: int, tmp_path: Path) -> None:
    inspection = inspect(half_quantized(tmp_path / name))
    assert inspection.card is None
    assert len(inspection.faults) == faults
    assert inspection.notes == ("no ModelCard: made by other tools, or truncated",)


def largest_weights(path: Path) -> bytes:
    if path.suffix == ".onnx":
        return max((bytes(tensor.raw_data) for tensor in onnx.load(path).graph.initializer), key=len)
    stored = (buffer.data for buffer in read_model(path.read_bytes()).buffers)
    return max((bytes(data) for data in stored if data is not None), key=len)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_changed_graph_is_a_fault(kind: Format, exports: Path, tmp_path: Path) -> None:
    source = exports / f"fmnist-compact-int8.{kind}"
    content, weights = bytearray(source.read_bytes()), largest_weights(source)
    assert content.count(weights) == 1
    content[content.index(weights) + len(weights) // 2] ^= 1  # a changed weight: any runtime loads that
    path = tmp_path / source.name
    path.write_bytes(content)
    (fault,) = inspect(path).faults
    assert "was changed or damaged" in fault


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_behind_its_graph_is_shown_without_a_card(kind: Format, exports: Path, tmp_path: Path) -> None:
    source = exports / f"fmnist-compact-int8.{kind}"
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(source.read_bytes()[: card_of(source).graph_bytes])
    inspection = inspect(path)
    assert (inspection.card, inspection.faults) == (None, ())
    assert inspection.notes == ("no ModelCard: made by other tools, or truncated",)
    assert len(inspection.layers) == 11


def test_a_damaged_card_is_a_fault(int8_onnx: Path, tmp_path: Path) -> None:
    card = card_of(int8_onnx)
    graph = int8_onnx.read_bytes()[: card.graph_bytes]
    (tmp_path / "a.onnx").write_bytes(carded(graph, card, card_version=7))
    inspection = inspect(tmp_path / "a.onnx")
    assert inspection.card is None
    assert "expected card version 2; got 7" in inspection.faults[0]


# --- files of others, and no model files ------------------------------------------------------------------------------


def test_a_file_of_other_tools_is_shown(tmp_path: Path) -> None:
    weights = {"w": np.ones((16, 3, 3, 3), np.float32)}
    node = helper.make_node("Conv", ["x", "w"], ["y"], "/features/0/Conv")
    inspection = inspect(save(tmp_path / "a.onnx", [node], weights, shape=["batch", 3, "height", "width"]))
    assert summary(inspection) == "a.onnx: 1 of 1 convolution or dense layer in float32, unknown of unknown MACs"
    lines = description(inspection)
    assert "input: x, float32 (batch, 3, height, width)" in lines
    assert "MACs for one picture: unknown, unknown of them in int8" in lines
    assert any(row[4].startswith("1x") and row[-1] == "unknown" for row in operators_table(inspection).rows)
    assert inspection.as_json()["card"] is None


def test_a_file_without_layers_is_shown(tmp_path: Path) -> None:
    inspection = inspect(save(tmp_path / "a.onnx", [helper.make_node("Relu", ["x"], ["y"])], {}, shape=["n", 3]))
    assert summary(inspection) == "a.onnx: no convolution or dense layer"
    assert "MACs for one picture: 0, none of them in int8" in description(inspection)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut.onnx", "cannot load .*cut.onnx; expected a whole ONNX model; got .*; next: export or copy it again"),
        ("cut.tflite", "cannot load .*cut.tflite; expected a whole TFLite model; got .*; next: export or copy it"),
        ("text.onnx", "cannot load .*text.onnx; expected a whole ONNX model"),
        ("text.tflite", "cannot load .*text.tflite; expected a whole TFLite model"),
        ("text.txt", "cannot inspect .*text.txt; expected a file ending in .onnx or .tflite; got .txt"),
        ("text", "cannot inspect .*text; expected a file ending in .onnx or .tflite; got none"),
        ("empty.onnx", "empty.onnx is empty"),
        ("folder", "folder is not a file; expected a model file; got a folder"),
        ("folder.onnx", "folder.onnx is not a file; expected a model file; got a folder"),
        ("absent.tflite", "no file at .*absent.tflite"),
        ("model.keras", "model.keras is a model for training; .*; next: export it first: fmnist-edge export .*keras"),
    ],
)
def test_what_is_no_whole_model_file_is_refused(name: str, message: str, exports: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.startswith("cut"):
        path.write_bytes((exports / f"fmnist-compact-int8{path.suffix}").read_bytes()[:40_000])
    elif name.startswith("folder"):
        path.mkdir()
    elif not name.startswith("absent"):
        path.write_text("" if name.startswith("empty") else "hello\n")
    with pytest.raises(EdgeError, match=message) as refused:
        inspect(path)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("module", "kind"),
    [("onnx", "onnx"), ("flatbuffers", "tflite"), ("ai_edge_litert.schema_py_generated", "tflite")],
)
def test_a_missing_package_is_named(module: str, kind: Format, exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    package = module.split(".", maxsplit=1)[0]
    match = rf"{package} is needed to inspect .*int8.{kind}; .*pip install 'fmnist-edge\[inspect\]'"
    with pytest.raises(EdgeError, match=match):
        inspect(exports / f"fmnist-compact-int8.{kind}")


def test_nothing_is_left_of_the_graph_that_was_taken(
    int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    copied = shutil.copyfile(int8_onnx, tmp_path / "a.onnx")
    assert isinstance(inspect(copied), Inspection)
    assert list(tmp_path.iterdir()) == [copied]
