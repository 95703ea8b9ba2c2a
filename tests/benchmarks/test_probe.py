"""A fresh process really runs the model, is measured itself and not its parent, and says why it failed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import probe
from fmnist_edge.benchmarks.probe import ColdStart, measure_cold_start, peak_rss_bytes

MIB = 2**20


@pytest.fixture
def garbage(tmp_path: Path) -> Path:
    """A file that is no model."""
    path = tmp_path / "garbage.onnx"
    path.write_bytes(b"not a model" * 100)
    return path


@pytest.mark.parametrize("name", ["fmnist-compact-int8.onnx", "fmnist-compact-int8.tflite"])
def test_a_fresh_process_runs_the_model(exports: Path, name: str) -> None:
    began_ns = time.perf_counter_ns()
    found = measure_cold_start(exports / name, runs=1)
    elapsed_ms = (time.perf_counter_ns() - began_ns) / 1e6
    assert 20 < found.cold_start_ms < elapsed_ms
    assert 20 * MIB < found.peak_rss_bytes < 2_048 * MIB


def test_the_memory_of_a_large_parent_is_not_inherited(int8_onnx: Path) -> None:
    ballast = np.ones(500 * MIB, np.uint8)
    found = measure_cold_start(int8_onnx, runs=1)
    assert peak_rss_bytes() > ballast.nbytes > 400 * MIB > found.peak_rss_bytes


def test_peak_memory_counts_what_a_process_takes_even_when_it_is_given_back() -> None:
    code = (
        "from fmnist_edge.benchmarks.probe import np, peak_rss_bytes\n"
        "before = peak_rss_bytes()\n"
        "ballast = np.ones(100 * 2**20, np.uint8)\n"
        "del ballast\n"
        "print(peak_rss_bytes() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 90 * MIB < int(done.stdout) < 120 * MIB


def test_the_medians_of_several_processes_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[Path, int, bool]] = []
    answers = iter([ColdStart(300.0, 7), ColdStart(100.0, 5), ColdStart(9_000.0, 900)])

    def run(model: Path, threads: int, verify: bool) -> ColdStart:
        asked.append((model, threads, verify))
        return next(answers)

    monkeypatch.setattr(probe, "_run", run)
    assert measure_cold_start(tmp_path, threads=4, runs=3) == ColdStart(300.0, 7)
    assert asked == [(tmp_path, 4, True)] * 3


def test_the_process_prints_one_line_of_json(int8_onnx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before_ns = time.perf_counter_ns()
    probe.main([str(int8_onnx), "1"])
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"answered_ns", "peak_rss_bytes"}
    assert before_ns < answer["answered_ns"] < time.perf_counter_ns()
    assert answer["peak_rss_bytes"] == pytest.approx(peak_rss_bytes(), rel=0.05)


@pytest.mark.parametrize(("platform", "unit_bytes"), [("linux", 1024), ("darwin", 1)])
def test_without_proc_the_units_of_getrusage_are_the_platform_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, unit_bytes: int
) -> None:
    import resource

    monkeypatch.setattr(probe, "Path", lambda _: tmp_path / "missing")
    monkeypatch.setattr(probe, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=123))
    assert peak_rss_bytes() == 123 * unit_bytes


def test_a_process_that_fails_says_why_in_its_last_line(garbage: Path) -> None:
    with pytest.raises(
        EdgeError,
        match=r"a fresh process could not run .*garbage\.onnx; got .*garbage\.onnx has no ModelCard",
    ) as caught:
        measure_cold_start(garbage, runs=1)
    assert "Traceback" not in str(caught.value)


def test_the_process_runs_with_the_threads_asked_for(int8_onnx: Path) -> None:
    with pytest.raises(EdgeError, match=r"a fresh process could not run .*unusable number of threads; .*got -3"):
        measure_cold_start(int8_onnx, threads=-3, runs=1)


def test_a_process_that_dies_without_a_word_gives_its_exit_code(
    int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = tmp_path / "python"
    mute.write_text("#!/bin/sh\nexit 7\n")
    mute.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(mute))
    with pytest.raises(EdgeError, match=r"a fresh process could not run .*; got exit code 7$"):
        measure_cold_start(int8_onnx, runs=1)


def test_a_process_that_never_answers_is_given_up(int8_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_TIMEOUT_S", 0.001)
    with pytest.raises(
        EdgeError, match=r"a fresh process could not run .*; expected an answer within 0\.001 s; got none"
    ):
        measure_cold_start(int8_onnx, runs=1)
