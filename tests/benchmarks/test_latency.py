"""Warm-up first, then blocks in turns; who is slower comes out slower."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import latency
from fmnist_edge.benchmarks.latency import (
    BLOCK_RUNS,
    BLOCK_SKIPPED,
    WARM_UP_RUNS,
    Latency,
    measure_latency,
    summarize,
)

MILLISECOND_NS = 1_000_000


class FakeRunner:
    """Does nothing, and remembers in a list that it shares with others that it was called, and with which image."""

    format = "onnx"
    classes = 10

    def __init__(self, name: str, calls: list[tuple[str, int]]) -> None:
        self.name = name
        self.calls = calls

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        assert images.shape == (1, 28, 28)
        self.calls.append((self.name, int(images[0, 0, 0])))
        self.work()
        return np.zeros((1, 10), np.float32)

    def work(self) -> None:
        """Take no time."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BusyRunner(FakeRunner):
    """Keeps the processor busy for so many real milliseconds."""

    def __init__(self, milliseconds: float) -> None:
        super().__init__("busy", [])
        self.milliseconds = milliseconds

    def work(self) -> None:
        until_ns = time.perf_counter_ns() + self.milliseconds * MILLISECOND_NS
        while time.perf_counter_ns() < until_ns:
            pass


class Clock:
    """A clock that stands still until it is moved."""

    now_ns = 0

    def perf_counter_ns(self) -> int:
        return self.now_ns


class ColdCacheRunner(FakeRunner):
    """Takes 100 milliseconds on each of the first runs after another model ran, and else one, by a false clock."""

    def __init__(self, name: str, calls: list[tuple[str, int]], clock: Clock, cold_runs: int) -> None:
        super().__init__(name, calls)
        self.clock = clock
        self.cold_runs = cold_runs

    def work(self) -> None:
        recent = [name for name, _ in self.calls[-self.cold_runs - 1 :]]
        warm = len(recent) > self.cold_runs and set(recent) == {self.name}
        self.clock.now_ns += MILLISECOND_NS if warm else 100 * MILLISECOND_NS


def numbered_images(count: int) -> npt.NDArray[np.uint8]:
    """Return images whose first pixel is their position."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0] = range(count)
    return images


def record(names: list[str], *, rounds: int, images: int = 200, seed: int = 0) -> list[tuple[str, int]]:
    """Measure runners that do nothing, and return all calls in order, as (runner, image)."""
    calls: list[tuple[str, int]] = []
    runners = {name: FakeRunner(name, calls) for name in names}
    measure_latency(runners, numbered_images(images), rounds=rounds, seed=seed)
    return calls


def blocks_of(calls: list[tuple[str, int]], models: int) -> list[list[str]]:
    """Return the order of models in every round, and check that each had one whole block."""
    names = [name for name, _ in calls[models * WARM_UP_RUNS :]]
    blocks = [names[start : start + BLOCK_RUNS] for start in range(0, len(names), BLOCK_RUNS)]
    assert all(block == [block[0]] * BLOCK_RUNS for block in blocks)
    return [[block[0] for block in blocks[start : start + models]] for start in range(0, len(blocks), models)]


def test_every_model_is_warmed_up_before_any_is_timed() -> None:
    calls = record(["a", "b", "c"], rounds=1)
    warm_up = [name for name, _ in calls[: 3 * WARM_UP_RUNS]]
    assert warm_up == ["a"] * WARM_UP_RUNS + ["b"] * WARM_UP_RUNS + ["c"] * WARM_UP_RUNS


def test_every_round_visits_every_model_once_for_a_whole_block() -> None:
    rounds = blocks_of(record(["a", "b", "c"], rounds=8), models=3)
    assert len(rounds) == 8
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)


def test_the_order_changes_from_round_to_round_and_is_the_seed_s() -> None:
    first, again, other = (blocks_of(record(["a", "b", "c"], rounds=8, seed=seed), models=3) for seed in (0, 0, 1))
    assert len({tuple(order) for order in first}) > 1
    assert first == again
    assert first != other


def test_the_images_take_turns_and_are_the_same_for_every_model() -> None:
    calls = record(["a", "b"], rounds=3, images=25)[2 * WARM_UP_RUNS :]
    seen = {name: [image for who, image in calls if who == name] for name in ("a", "b")}
    assert seen["a"] == seen["b"] == [run % 25 for run in range(3 * BLOCK_RUNS)]


def test_one_image_is_enough() -> None:
    assert {image for _, image in record(["a"], rounds=2, images=1)} == {0}


def test_a_model_that_is_really_slower_comes_out_slower() -> None:
    found = measure_latency({"slow": BusyRunner(2.0), "fast": BusyRunner(0.2)}, numbered_images(5), rounds=3)
    assert found["slow"].p50 >= 2.0
    assert 0.2 <= found["fast"].p50 < found["slow"].p50 / 2


def test_what_the_model_before_has_emptied_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    calls: list[tuple[str, int]] = []
    runners = {name: ColdCacheRunner(name, calls, clock, BLOCK_SKIPPED) for name in ("a", "b")}
    found = measure_latency(runners, numbered_images(5), rounds=4)
    counted = 4 * (BLOCK_RUNS - BLOCK_SKIPPED)
    assert found == {name: Latency(p50=1.0, p90=1.0, p99=1.0, n=counted) for name in ("a", "b")}


def test_one_cold_run_more_than_are_skipped_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    calls: list[tuple[str, int]] = []
    runners = {name: ColdCacheRunner(name, calls, clock, BLOCK_SKIPPED + 1) for name in ("a", "b")}
    assert measure_latency(runners, numbered_images(5), rounds=4)["a"].p99 == 100.0


def test_progress_counts_the_rounds() -> None:
    told: list[tuple[str, int, int]] = []
    measure_latency({"a": FakeRunner("a", [])}, numbered_images(1), rounds=2, progress=lambda *step: told.append(step))
    assert told == [("measuring latency", done, 2) for done in (0, 1, 2)]


@pytest.mark.parametrize(
    ("times_ms", "expected"),
    [
        ([5], Latency(p50=5.0, p90=5.0, p99=5.0, n=1)),
        ([3, 1, 2], Latency(p50=2.0, p90=2.8, p99=2.98, n=3)),
        (range(101), Latency(p50=50.0, p90=90.0, p99=99.0, n=101)),
        ([1] * 99 + [1000], Latency(p50=1.0, p90=1.0, p99=10.99, n=100)),
    ],
)
def test_percentiles_agree_with_hand_computed_table(times_ms: list[int], expected: Latency) -> None:
    found = summarize(np.array(times_ms) * MILLISECOND_NS)
    assert found.as_json() == pytest.approx(expected.as_json())


@pytest.mark.parametrize(("rounds", "images", "got"), [(0, 5, "0 and 5"), (-1, 5, "-1 and 5"), (3, 0, "3 and 0")])
def test_no_rounds_and_no_images_are_refused(rounds: int, images: int, got: str) -> None:
    calls: list[tuple[str, int]] = []
    with pytest.raises(
        EdgeError, match=f"cannot measure latency; expected at least one round and one image; got {got}$"
    ):
        measure_latency({"a": FakeRunner("a", calls)}, numbered_images(images), rounds=rounds)
    assert calls == []
