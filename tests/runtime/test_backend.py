"""Which runtime a model runs in: the one asked for, or the faster of two that say the same."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.export.tflite_file import append_card
from fmnist_edge.runtime import Classifier, ModelCard, contest, open_runner
from fmnist_edge.runtime.backend import Backend, difference
from fmnist_edge.runtime.card import read_tflite_card
from fmnist_edge.runtime.runner import ExportedRunner


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is remembered during a test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fmnist-edge" / "backends.json"


@pytest.fixture
def onnx(cache: Path, int8_onnx: Path, int8_tflite: Path, tmp_path: Path) -> Path:
    """An .onnx file with its .tflite beside it."""
    shutil.copy(int8_tflite, tmp_path / "model.tflite")
    return Path(shutil.copy(int8_onnx, tmp_path / "model.onnx"))


def used(path: Path, backend: Backend = "auto") -> str:
    """Open a model, let it answer, and return its runtime."""
    with Classifier(path, backend=backend) as classifier:
        assert len(classifier.predict(np.zeros((28, 28), np.uint8)).probabilities) == 10
        return classifier.backend


def change_card(tflite: Path, **changes: object) -> None:
    """Write the card of a .tflite file anew."""
    card = read_tflite_card(tflite)
    changed = dataclasses.replace(card, **changes)  # type: ignore[arg-type]
    tflite.write_bytes(append_card(tflite.read_bytes()[: card.graph_bytes], changed))


def let_win(monkeypatch: pytest.MonkeyPatch, winner: str, *, same: bool = True) -> list[str]:
    """Let the clock say that one format takes 1 ns and the other 2, and return the formats that were timed."""
    timed = []

    def answer(runner: ExportedRunner, picture: contest.npt.NDArray[np.uint8]) -> tuple[int, int]:
        timed.append(runner.format)
        label = int(runner.infer(picture).argmax())
        return label if same or runner.format == "onnx" else label + 1, 1 if runner.format == winner else 2

    monkeypatch.setattr(contest, "_timed", answer)
    return timed


def never_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*_: object) -> str:
        raise AssertionError("it was measured again")

    monkeypatch.setattr(contest, "_measure", measure)


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["onnxruntime", "litert"])
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_runtime_can_be_named_and_finds_its_file(onnx: Path, cache: Path, suffix: str, backend: Backend) -> None:
    assert used(onnx.with_suffix(suffix), backend) == backend
    assert not cache.exists()


def test_a_runtime_without_its_file_is_refused(onnx: Path) -> None:
    onnx.with_suffix(".tflite").unlink()
    match = r"cannot run .*model\.onnx in litert; expected model\.tflite beside it; got none; next: fmnist-edge export"
    with pytest.raises(EdgeError, match=match):
        Classifier(onnx, backend="litert")
    with pytest.raises(EdgeError, match=r"no file at .*absent\.onnx"):
        Classifier(onnx.with_name("absent.onnx"), backend="litert")
    with pytest.raises(EdgeError, match=r"cannot run .*model\.txt; expected a file ending in \.onnx or \.tflite"):
        Classifier(onnx.rename(onnx.with_suffix(".txt")), backend="litert")


def test_an_unknown_runtime_is_refused(onnx: Path) -> None:
    match = "unknown backend; expected one of auto, onnxruntime, litert; got tvm"
    with pytest.raises(EdgeError, match=match):
        Classifier(onnx, backend="tvm")  # type: ignore[arg-type]


def test_a_twin_of_another_training_is_refused_by_hand_and_passed_over_by_auto(onnx: Path, cache: Path) -> None:
    change_card(onnx.with_suffix(".tflite"), training={"options": {"seed": 99}})
    match = r"cannot run .*model\.tflite instead of .*model\.onnx; expected the network of model\.onnx; got another tra"
    with pytest.raises(EdgeError, match=match):
        Classifier(onnx, backend="litert")
    assert used(onnx) == "onnxruntime"
    assert not cache.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"name": "b", "graph_sha256": "ef", "graph_bytes": 7}, ""),
        ({"arch": "b"}, "another arch"),
        ({"recipe": "float32"}, "another recipe"),
        ({"labels": ("a", "b")}, "another labels"),
        ({"training": {"options": {}}}, "another training"),
    ],
)
def test_cards_of_one_network_agree_in_what_makes_it(card: ModelCard, changes: dict[str, object], says: str) -> None:
    assert difference(card, dataclasses.replace(card, **changes)) == says  # type: ignore[arg-type]


def test_an_unknown_training_proves_nothing(card: ModelCard) -> None:
    unknown = dataclasses.replace(card, training=None)
    assert difference(unknown, unknown) == "no training in their cards"


# --- auto ------------------------------------------------------------------------------------------------------------


def test_nothing_is_timed_where_there_is_one_file_or_one_runtime(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_measure(monkeypatch)
    assert used(onnx.with_suffix(".tflite")) == "litert"
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else find(name))
    assert used(onnx) == "onnxruntime"
    monkeypatch.undo()
    never_measure(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    onnx.with_suffix(".tflite").unlink()
    assert used(onnx) == "onnxruntime"
    assert not cache.exists()


@pytest.mark.parametrize(("winner", "backend"), [("onnx", "onnxruntime"), ("tflite", "litert")])
def test_the_faster_one_is_kept_and_remembered(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, winner: str, backend: str
) -> None:
    timed = let_win(monkeypatch, winner)
    assert used(onnx) == backend
    assert timed == ["onnx", "tflite"] * 40
    assert list(json.loads(cache.read_text()).values()) == [f".{winner}"]
    never_measure(monkeypatch)
    assert used(onnx) == backend


def test_the_faster_one_is_not_kept_where_it_says_something_else(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = let_win(monkeypatch, "tflite", same=False)
    assert used(onnx) == "onnxruntime"
    assert timed == ["onnx", "tflite"]
    assert list(json.loads(cache.read_text()).values()) == [".onnx"]


def test_a_real_measurement_keeps_one_of_the_two(onnx: Path, cache: Path) -> None:
    kept = used(onnx)
    assert json.loads(cache.read_text()).popitem()[1] == {"onnxruntime": ".onnx", "litert": ".tflite"}[kept]
    assert used(onnx) == kept


def test_the_pictures_for_it_are_of_many_classes(int8_onnx: Path) -> None:
    with open_runner(int8_onnx) as runner:
        labels = {int(runner.infer(picture).argmax()) for picture in contest.pictures(40)}
    assert len(labels) >= 3


def test_another_number_of_threads_or_another_file_is_measured_for_itself(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_win(monkeypatch, "tflite")
    used(onnx)
    Classifier(onnx, threads=2).close()
    assert len(json.loads(cache.read_text())) == 2
    monkeypatch.setattr(contest, "processor", lambda: ["another"])
    used(onnx)
    assert len(json.loads(cache.read_text())) == 3
    assert contest._key(["a", "b"], 1) != contest._key(["a", "c"], 1)


def test_a_damaged_twin_is_passed_over_and_tried_again_when_it_was_mended(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_win(monkeypatch, "tflite")
    twin = onnx.with_suffix(".tflite")
    good = twin.read_bytes()
    spoilt = bytearray(good)
    spoilt[read_tflite_card(twin).graph_bytes // 2] ^= 1
    twin.write_bytes(spoilt)
    assert used(onnx) == "onnxruntime"
    assert json.loads(cache.read_text()) == {}
    twin.write_bytes(good)
    assert used(onnx) == "litert"
    twin.write_bytes(spoilt)
    assert used(onnx) == "onnxruntime"
    twin.write_text("hello")
    assert used(onnx) == "onnxruntime"
    with pytest.raises(EdgeError, match=r"model\.tflite has no ModelCard"):
        Classifier(onnx, backend="litert")


def test_a_damaged_file_that_was_named_is_told(onnx: Path) -> None:
    onnx.write_text("hello")
    with pytest.raises(EdgeError, match=r"model\.onnx has no ModelCard; got a file that is truncated"):
        Classifier(onnx)
    with pytest.raises(EdgeError, match=r"model\.onnx has no ModelCard"):
        Classifier(onnx, backend="litert")


def test_a_runtime_that_ends_the_process_is_tried_once(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> str:
        raise KeyboardInterrupt  # as little is cleaned up after an illegal instruction

    monkeypatch.setattr(contest, "_measure", die)
    with pytest.raises(KeyboardInterrupt):
        Classifier(onnx)
    never_measure(monkeypatch)
    assert used(onnx) == "onnxruntime"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cache: cache.write_bytes(b""),
        lambda cache: cache.write_bytes(b"\xff\xfe{"),
        lambda cache: cache.write_text("[1]"),
        lambda cache: cache.write_text("[" * 100_000),
        lambda cache: cache.write_text(json.dumps(dict.fromkeys(json.loads(cache.read_text()), 5))),
        lambda cache: (cache.unlink(), cache.mkdir()),
        lambda cache: (shutil.rmtree(cache.parent), cache.parent.write_text("in the way")),
    ],
    ids=["empty", "no text", "a list", "deep", "another value", "a folder", "no folder"],
)
def test_a_cache_that_cannot_be_used_is_done_without(
    onnx: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    let_win(monkeypatch, "tflite")
    used(onnx)
    spoil(cache)
    assert used(onnx) == "litert"


def test_without_a_home_nothing_is_remembered(onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = let_win(monkeypatch, "tflite")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert [used(onnx), used(onnx)] == ["litert", "litert"]
    assert len(timed) == 160


def test_no_more_than_64_are_remembered_the_newest(cache: Path) -> None:
    for number in range(70):
        contest.remember(str(number), ".onnx")
    contest.remember("30", ".tflite")
    kept = json.loads(cache.read_text())
    assert list(kept) == [*(str(number) for number in range(6, 70) if number != 30), "30"]
    assert contest.recall("30") == ".tflite"
    assert contest.recall("5") is None


def test_a_processor_is_known_by_its_model_and_features(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    core = "processor\t: {}\nBogoMIPS\t: 108.{}\nFeatures\t: fp asimd\nCPU part\t: 0xd08\n\n"
    cpuinfo.write_text(core.format(0, 0) + core.format(1, 7) + "Model\t: Raspberry Pi 4\n")
    assert contest.processor(cpuinfo)[1:] == ["CPU part\t: 0xd08", "Features\t: fp asimd", "Model\t: Raspberry Pi 4"]
    assert len(contest.processor(tmp_path / "absent")) == 2
