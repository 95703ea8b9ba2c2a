"""Which number type a training computes in."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from fmnist_edge.train import precision, trainer
from fmnist_edge.train.options import Precision, TrainOptions
from fmnist_edge.train.precision import has_bfloat16, settled


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fpu amx_bf16 sse", True),
        ("flags : fpu avx512_bf16 sse", True),
        ("flags : fpu amx_bf16x avx512", False),
        ("", False),
    ],
)
def test_a_processor_has_a_unit_for_bfloat16_if_linux_names_it(flags: str, expected: bool, tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(flags)
    assert has_bfloat16(path) is expected


def test_where_the_processor_is_not_described_there_is_none(tmp_path: Path) -> None:
    assert not has_bfloat16(tmp_path / "none")


def test_a_gpu_computes_in_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert has_bfloat16(tmp_path / "none")


@pytest.mark.parametrize(
    ("chosen", "has", "expected"),
    [
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
        ("float32", True, "float32"),
        ("bfloat16", False, "bfloat16"),
    ],
)
def test_the_machine_decides_where_nothing_else_is_said(
    chosen: Precision, has: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: has)
    assert settled(TrainOptions(precision=chosen)).precision == expected


def test_a_run_keeps_what_was_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    options = TrainOptions(arch="compact", epochs=1, limit=128, precision="auto")
    run = trainer.start(options, tmp_path / "run", report=lambda line: None)
    assert run.read_config()["options"]["precision"] == "bfloat16"
