"""What models cost is added to the right models, and what an interrupted benchmark has finished is found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import measuring
from fmnist_edge.benchmarks.answers import Answers
from fmnist_edge.benchmarks.boards.board import Board
from fmnist_edge.benchmarks.boards.measure import BoardMeasurement
from fmnist_edge.benchmarks.harness import ModelResult, evaluate_models
from fmnist_edge.benchmarks.kept import Kept
from fmnist_edge.benchmarks.latency import BLOCK_RUNS, BLOCK_SKIPPED
from fmnist_edge.benchmarks.measuring import Measured, MeasureOptions, measure_models
from fmnist_edge.benchmarks.probe import ColdStart
from fmnist_edge.dataset import Split
from fmnist_edge.runtime import open_runner


def test_exported_models_are_measured_and_keras_is_not(measurement: Measured, results: list[ModelResult]) -> None:
    keras, *exported = measurement.results
    assert (keras.latency, keras.throughput, keras.sustained, keras.cold_start) == (None, None, None, None)
    for result in exported:
        assert result.latency is not None
        assert result.throughput is not None
        assert result.sustained is not None
        assert result.cold_start is not None
        assert 0 < result.latency.p50 <= result.latency.p90 <= result.latency.p99
        assert result.latency.n == 5 * (BLOCK_RUNS - BLOCK_SKIPPED)
        assert result.cold_start.cold_start_ms > result.latency.p50
    for before, after in zip(results, measurement.results, strict=True):
        assert after.answers is before.answers
        assert after.evaluation is before.evaluation
        assert after.comparison is before.comparison
    assert measurement.conditions is not None


def test_each_model_gets_its_own_figures(
    results: list[ModelResult], model_paths: list[Path], images: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def cold_start(path: Path, *, threads: int, verify: bool) -> str:
        assert verify
        asked.append((path.name, threads))
        return f"cold start of {path.name}"

    def latency(runners: dict[str, object], pixels: npt.NDArray[np.uint8], **_: object) -> dict[str, str]:
        assert np.array_equal(pixels, images.images[:200])
        return {name: f"latency of {name}" for name in runners}

    monkeypatch.setattr(measuring, "measure_cold_start", cold_start)
    monkeypatch.setattr(measuring, "measure_latency", latency)
    found = measure_models(results, model_paths, images, MeasureOptions(threads=2)).results
    names = [result.answers.name for result in found[1:]]
    assert [result.latency for result in found[1:]] == [f"latency of {name}" for name in names]
    assert [result.cold_start for result in found[1:]] == [f"cold start of {name}" for name in names]
    assert asked == [(name, 2) for name in names]


def test_keras_models_alone_need_no_measuring(
    results: list[ModelResult], model_paths: list[Path], images: Split
) -> None:
    found = measure_models(results[:1], model_paths[:1], images, MeasureOptions())
    assert found == Measured(tuple(results[:1]), None)


def test_unusable_threads_and_boards_are_refused(
    results: list[ModelResult], model_paths: list[Path], images: Split
) -> None:
    with pytest.raises(EdgeError, match=r"unusable number of threads; .*got 0"):
        measure_models(results, model_paths, images, MeasureOptions(threads=0))
    with pytest.raises(EdgeError, match="unknown board 'pi6'"):
        measure_models(results, model_paths, images, MeasureOptions(boards=("pi6",)))


def test_counts_of_boards_reach_their_models_and_are_kept(
    results: list[ModelResult], model_paths: list[Path], images: Split, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The emulator itself is tested with the boards; here it is who gets which count."""
    asked: list[str] = []

    def count(
        models: list[Path], pixels: Any, boards: list[Board], sysroot: object, **_: object
    ) -> list[BoardMeasurement]:
        asked.append(models[0].name)
        return [BoardMeasurement(board.name, models[0].name, len(asked), 9, len(pixels), 20) for board in boards]

    monkeypatch.setattr(measuring, "measure_boards", count)
    monkeypatch.setattr(measuring, "prepare", lambda progress: "sysroot")
    monkeypatch.setattr(measuring, "measure_cold_start", lambda path, threads, verify: ColdStart(1.0, 1))
    options, kept = MeasureOptions(rounds=1, boards=("pi4", "pi5")), Kept(tmp_path / "kept")
    first = measure_models(results, model_paths, images, options, kept=kept).results
    again = measure_models(results, model_paths, images, options, kept=kept).results
    assert asked == [path.name for path in model_paths[1:]]
    for place, (result, once_more) in enumerate(zip(first[1:], again[1:], strict=True), start=1):
        assert [(entry.board, entry.model) for entry in result.boards] == [
            ("pi4", result.answers.name),
            ("pi5", result.answers.name),
        ]
        assert {entry.instructions_per_image for entry in result.boards} == {place}
        assert once_more.boards == result.boards
    measure_models(results, model_paths, images, MeasureOptions(rounds=1, boards=("pi4",)), kept=kept)
    assert len(asked) == 6


# --- what an interrupted benchmark has finished ----------------------------------------------------------------------


class Interrupting:
    """Opens models, and is interrupted when the third is opened."""

    def __init__(self, *, at: int = 99) -> None:
        self.at = at
        self.opened: list[str] = []

    def __call__(self, path: Path) -> Any:
        if len(self.opened) == self.at:
            raise KeyboardInterrupt
        self.opened.append(path.name)
        return open_runner(path)


def test_an_interrupted_evaluation_goes_on_with_what_is_missing(
    model_paths: list[Path], images: Split, tmp_path: Path
) -> None:
    paths, kept = model_paths[1:], Kept.beside(tmp_path)
    assert kept.count() == 0
    with pytest.raises(KeyboardInterrupt):
        evaluate_models(paths, Interrupting(at=2), images, kept=kept)
    assert kept.count() == 2
    opener = Interrupting()
    found = evaluate_models(paths, opener, images, kept=kept)
    assert opener.opened == [paths[2].name]
    fresh = evaluate_models(paths, open_runner, images)
    assert [result.comparison for result in found] == [result.comparison for result in fresh]
    assert [result.weight_bytes for result in found] == [result.weight_bytes for result in fresh]
    kept.clear()
    assert list(tmp_path.iterdir()) == []


def test_another_file_of_the_same_name_is_not_mistaken(exports: Path, images: Split, tmp_path: Path) -> None:
    kept, path, opener = Kept.beside(tmp_path), tmp_path / "a.onnx", Interrupting()
    for recipe in ("float32", "int8"):
        path.write_bytes((exports / f"fmnist-compact-{recipe}.onnx").read_bytes())
        (result,) = evaluate_models([path], opener, images.first(10), kept=kept)
        assert result.answers.recipe == recipe
    assert len(opener.opened) == 2
    evaluate_models([path], opener, images.first(20), kept=kept)  # other images
    assert len(opener.opened) == 3


def test_a_damaged_piece_is_made_again(int8_onnx: Path, images: Split, tmp_path: Path) -> None:
    kept, opener = Kept.beside(tmp_path), Interrupting()
    evaluate_models([int8_onnx], opener, images.first(10), kept=kept)
    (piece,) = kept.folder.iterdir()
    piece.write_bytes(b"cut sh")
    evaluate_models([int8_onnx], opener, images.first(10), kept=kept)
    assert len(opener.opened) == 2
    assert piece.stat().st_size > 100


def test_figures_are_kept_for_the_same_circumstances_alone(tmp_path: Path) -> None:
    kept, taken = Kept(tmp_path / "kept"), []

    def take() -> ColdStart:
        taken.append(1)
        return ColdStart(100.0 + len(taken), 7)

    def ask(**depends_on: Any) -> ColdStart:
        return kept.figures("start", depends_on, take, lambda content: ColdStart(**content))

    assert ask(model="a", threads=1) == ask(model="a", threads=1) == ColdStart(101.0, 7)
    assert ask(model="a", threads=2) == ColdStart(102.0, 7)
    assert ask(model="b", threads=1) == ColdStart(103.0, 7)
    for piece in kept.folder.iterdir():
        piece.write_text(json.dumps({"something": "else"}))
    assert ask(model="a", threads=1) == ColdStart(104.0, 7)


def test_answers_survive_being_kept_to_the_last_bit(results: list[ModelResult], images: Split, tmp_path: Path) -> None:
    answers, kept = results[0].answers, Kept(tmp_path / "kept")

    def never() -> Answers:
        raise AssertionError

    first = kept.answers(answers.name, answers.sha256, images, lambda: answers)
    again = kept.answers(answers.name, answers.sha256, images, never)
    assert first is answers
    assert np.array_equal(again.probabilities, answers.probabilities)
    assert again.name == "compact/model.keras"
