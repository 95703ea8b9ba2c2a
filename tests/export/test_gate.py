"""The gate lets a good export pass and refuses a spoiled one, with exit code 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export.exporter import export
from fmnist_edge.export.gate import Gate
from fmnist_edge.export.recipe import FLOAT32, INT8
from fmnist_edge.export.reference import Reference
from fmnist_edge.train.keras_model import load_keras_model


@pytest.fixture(scope="module")
def gate(compact_run: Path) -> Gate:
    return Gate(Reference(load_keras_model(compact_run / "model.keras")), max_drop_points=1.0)


def unexpected() -> str:
    raise AssertionError("a file that passes needs no explanation")


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_good_export_passes(kind: str, gate: Gate, exports: Path) -> None:
    gate.check(exports / f"fmnist-compact-float32.{kind}", name="good", explain=unexpected)


def test_another_network_is_refused_with_exit_code_1(gate: Gate, tmp_path: Path) -> None:
    from fmnist_edge.train.architectures import load_architecture

    load_architecture("compact")(classes=10, dropout=0.0).save(tmp_path / "untrained.keras")
    (written,) = export(tmp_path / "untrained.keras", [FLOAT32], ["onnx"], tmp_path)
    with pytest.raises(EdgeError, match=r"^untrained fails: .* 5,000 validation images.*next: look there") as refused:
        gate.check(written.path, name="untrained", explain=lambda: "look there")
    assert refused.value.exit_code == 1


def test_a_refused_file_leaves_the_older_one(compact_run: Path, tmp_path: Path) -> None:
    older = tmp_path / "fmnist-compact-int8.onnx"
    older.write_bytes(b"older")
    with pytest.raises(EdgeError, match=r"was not written; next: look at .*dB"):
        export(compact_run, [INT8], ["onnx"], tmp_path, max_drop_points=-50, force=True)
    assert older.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [older]


def test_a_float_file_is_not_explained_by_layers(compact_run: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="compare with --float32"):
        export(compact_run, [FLOAT32], ["onnx"], tmp_path, max_drop_points=-50)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_is_no_number_is_refused(compact_run: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="unusable limit; expected a number of percentage points; got nan"):
        export(compact_run, [FLOAT32], ["onnx"], tmp_path, max_drop_points=float("nan"))
    assert list(tmp_path.iterdir()) == []
