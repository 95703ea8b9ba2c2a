"""Throughput and running without a pause, by a false clock; and both once for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import sustained, throughput
from fmnist_edge.benchmarks.sustained import WINDOWS, measure_sustained
from fmnist_edge.benchmarks.throughput import BATCH, measure_throughput
from fmnist_edge.common.closing import Closing
from fmnist_edge.dataset import Split
from fmnist_edge.runtime import open_runner

IMAGES = np.zeros((3, 28, 28), np.uint8)


class ClockedRunner(Closing):
    """Takes `call_ms` for a call and `image_ms` for each image in it, by a clock of its own."""

    format = "onnx"
    classes = 10
    name = "clocked"

    def __init__(self, *, call_ms: float = 0.0, image_ms: float = 0.0, growth: float = 0.0) -> None:
        self.call_ms, self.image_ms, self.growth = call_ms, image_ms, growth
        self.now_ns = 0
        self.sizes: list[int] = []

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.sizes.append(len(images))
        heat = 1 + self.growth * self.now_ns / 1e9
        self.now_ns += int((self.call_ms + self.image_ms * len(images)) * heat * 1e6)
        return np.zeros((len(images), 10), np.float32)


def test_a_batch_saves_the_cost_of_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = ClockedRunner(call_ms=1.0, image_ms=1.0)
    monkeypatch.setattr(throughput, "time", runner)
    found = measure_throughput({"a": runner}, IMAGES)["a"]
    assert found.batch1 == pytest.approx(1 / 0.002)
    assert found.batch32 == pytest.approx(BATCH / 0.033)
    assert set(runner.sizes) == {1, BATCH}
    assert sum(runner.sizes) == 2 * BATCH * 10  # nine rounds, and one to warm up


def test_real_models_get_a_throughput(exports: Path, images: Split) -> None:
    paths = [exports / "fmnist-compact-int8.onnx", exports / "fmnist-compact-int8.tflite"]
    runners = {path.name: open_runner(path) for path in paths}
    told: list[tuple[str, int, int]] = []
    found = measure_throughput(runners, images.images[:5], rounds=2, progress=lambda *step: told.append(step))
    assert list(found) == list(runners)
    for entry in found.values():
        assert entry.batch1 > 10
        assert entry.batch32 > 10
        assert entry.as_json().keys() == {"batch1", "batch32"}
    assert told == [("measuring throughput", done, 3) for done in range(4)]


def test_throughput_needs_images() -> None:
    with pytest.raises(EdgeError, match="cannot measure throughput; expected at least one image; got none"):
        measure_throughput({"a": ClockedRunner()}, IMAGES[:0])


def test_a_model_that_slows_down_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = ClockedRunner(call_ms=10.0, growth=0.02)  # after ten seconds a fifth slower
    monkeypatch.setattr(sustained, "time", runner)
    found = measure_sustained(runner, IMAGES, seconds=10.0, name="a")
    assert len(found.windows) == WINDOWS
    assert found.windows[-1].at_s == pytest.approx(10.0, abs=0.02)
    assert [window.at_s for window in found.windows] == pytest.approx(list(range(1, 11)), abs=0.02)
    assert found.windows[0].p50_ms == pytest.approx(10.1, abs=0.05)
    assert found.windows[-1].p50_ms == pytest.approx(11.9, abs=0.05)
    assert found.slowdown == pytest.approx(11.9 / 10.1 - 1, abs=0.01)
    assert sum(window.n for window in found.windows) == len(runner.sizes)


def test_a_model_slower_than_a_window_still_runs_once_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = ClockedRunner(call_ms=500.0)
    monkeypatch.setattr(sustained, "time", runner)
    found = measure_sustained(runner, IMAGES, seconds=1.0, name="a")
    assert [window.n for window in found.windows] == [1] * WINDOWS
    assert found.slowdown == 0.0


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 3), (-1.0, 3), (float("inf"), 3), (float("nan"), 3), (1.0, 0)])
def test_no_time_and_no_images_are_refused(seconds: float, count: int) -> None:
    with pytest.raises(EdgeError, match="cannot measure sustained speed; expected images and a time above 0 s; got"):
        measure_sustained(ClockedRunner(), IMAGES[:count], seconds=seconds, name="a")
