"""Warm-up first, then blocks in turns; who is slower comes out slower."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import latency
from fmnist_edge.benchmarks.latency import (
    BLOCK_RUNS,
    BLOCK_SKIPPED,
    STEADY_BLOCKS,
    WARM_UP_MOST_BLOCKS,
    is_steady,
    measure_latency,
    summarize,
    warm_up,
)
from fmnist_edge.common.closing import Closing

MILLISECOND_NS = 1_000_000
WARM_UP_RUNS = STEADY_BLOCKS * BLOCK_RUNS
"""Of a runner whose time does not change."""


class FakeRunner(Closing):
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
        warm = self.cold_runs < 0 or (len(recent) > self.cold_runs and set(recent) == {self.name})
        self.clock.now_ns += MILLISECOND_NS if warm else 100 * MILLISECOND_NS


def numbered_images(count: int) -> npt.NDArray[np.uint8]:
    """Return images whose first pixel is their position."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0] = range(count)
    return images


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A false clock for the module."""
    found = Clock()
    monkeypatch.setattr(latency, "time", found)
    return found


class SteadyingRunner(FakeRunner):
    """Takes a tenth less time in every block of runs until it takes one millisecond, by a false clock."""

    def __init__(self, clock: Clock, start_ms: float) -> None:
        super().__init__("steadying", [])
        self.clock = clock
        self.start_ms = start_ms

    def work(self) -> None:
        block = (len(self.calls) - 1) // BLOCK_RUNS
        self.clock.now_ns += int(max(1.0, self.start_ms * 0.9**block) * MILLISECOND_NS)


def record(names: list[str], *, rounds: int, images: int = 200, seed: int = 0) -> list[tuple[str, int]]:
    """Measure runners that take a millisecond each, and return all calls in order, as (runner, image)."""
    calls: list[tuple[str, int]] = []
    clock = Clock()
    runners = {name: ColdCacheRunner(name, calls, clock, -1) for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "time", clock)
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


def test_what_the_model_before_has_emptied_is_not_counted(clock: Clock) -> None:
    calls: list[tuple[str, int]] = []
    runners = {name: ColdCacheRunner(name, calls, clock, BLOCK_SKIPPED) for name in ("a", "b")}
    found = measure_latency(runners, numbered_images(5), rounds=4)
    for name in ("a", "b"):
        assert (found[name].p50, found[name].p90, found[name].p99) == (1.0, 1.0, 1.0)
        assert found[name].n == 4 * (BLOCK_RUNS - BLOCK_SKIPPED)
        assert found[name].warm_up_runs == WARM_UP_RUNS


def test_one_cold_run_more_than_are_skipped_would_be_seen(clock: Clock) -> None:
    calls: list[tuple[str, int]] = []
    runners = {name: ColdCacheRunner(name, calls, clock, BLOCK_SKIPPED + 1) for name in ("a", "b")}
    assert measure_latency(runners, numbered_images(5), rounds=4)["a"].p99 == 100.0


def test_warming_up_goes_on_until_the_time_is_steady(clock: Clock) -> None:
    runs = warm_up(SteadyingRunner(clock, start_ms=2.0), numbered_images(5))
    # 2.0 ms falls by a tenth a block and is 1.0 from the eighth on: blocks 6 to 8 take 1.18, 1.06 and 1 ms, 7 to 9
    # 1.06, 1 and 1, which is 6% apart, and 8 to 10 are the same.
    assert runs == 10 * BLOCK_RUNS


def test_warming_up_comes_to_an_end_when_nothing_is_steady(clock: Clock) -> None:
    assert warm_up(SteadyingRunner(clock, start_ms=1e9), numbered_images(5)) == WARM_UP_MOST_BLOCKS * BLOCK_RUNS


@pytest.mark.parametrize(
    ("medians_ms", "steady"),
    [
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([1.0, 1.05, 1.02], True),
        ([1.0, 1.06, 1.02], False),
        ([9.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 1.0, 9.0], False),
        ([0.010, 0.014, 0.012], True),  # 4 microseconds apart
    ],
)
def test_steady_means_close_together(medians_ms: list[float], *, steady: bool) -> None:
    assert is_steady([value * MILLISECOND_NS for value in medians_ms]) is steady


def test_the_machine_is_looked_at_before_every_round() -> None:
    calls: list[tuple[str, int]] = []
    measure_latency(
        {"a": FakeRunner("a", calls)}, numbered_images(1), rounds=2, observe=lambda: calls.append(("look", -1))
    )
    looks = [index for index, (name, _) in enumerate(calls) if name == "look"]
    assert len(looks) == 2
    assert looks[1] - looks[0] == BLOCK_RUNS + 1


def test_progress_counts_models_and_rounds() -> None:
    told: list[tuple[str, int, int]] = []
    measure_latency({"a": FakeRunner("a", [])}, numbered_images(1), rounds=2, progress=lambda *step: told.append(step))
    assert told[:2] == [("warming up", 0, 1), ("warming up", 1, 1)]
    assert told[2:] == [("measuring latency", done, 2) for done in (0, 1, 2)]


@pytest.mark.parametrize(
    ("times_ms", "expected"),
    [
        ([5], (5.0, 5.0, 5.0)),
        ([3, 1, 2], (2.0, 2.8, 2.98)),
        (range(101), (50.0, 90.0, 99.0)),
        ([1] * 99 + [1000], (1.0, 1.0, 10.99)),
    ],
)
def test_percentiles_agree_with_hand_computed_table(times_ms: list[int], expected: tuple[float, ...]) -> None:
    found = summarize(np.array([times_ms]) * MILLISECOND_NS)
    assert (found.p50, found.p90, found.p99) == pytest.approx(expected)
    assert found.n == len(times_ms)
    assert len(found.quantiles) == 101
    assert [found.quantiles[0], found.quantiles[100]] == [min(times_ms), max(times_ms)]
    assert [found.quantiles[level] for level in (50, 90, 99)] == pytest.approx(expected)


def test_intervals_come_from_whole_blocks() -> None:
    """Blocks of 1 ms and of 2 ms: the median of blocks drawn again is one of the two, and never in between."""
    times = np.repeat([[1], [2]] * 10, 17, axis=1) * MILLISECOND_NS
    found = summarize(times)
    assert found.p50_ci95 == (1.0, 2.0)
    one_by_one = summarize(np.random.default_rng(0).permutation(times.reshape(-1, 1)))
    assert one_by_one.p50_ci95 == (1.0, 2.0)
    steady = summarize(np.full((20, 17), 3) * MILLISECOND_NS)
    assert steady.p50_ci95 == steady.p99_ci95 == (3.0, 3.0)


def test_intervals_cover_the_true_median_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        levels = random.normal(0, 0.05, (30, 1)) + random.normal(0, 0.02, (30, 17))
        found = summarize((np.exp(levels) * MILLISECOND_NS).astype(np.int64), seed=trial)
        assert found.p50_ci95 is not None
        hits += found.p50_ci95[0] <= 1.0 <= found.p50_ci95[1]
    assert 0.88 <= hits / 200 <= 0.99


def test_few_blocks_give_no_interval() -> None:
    found = summarize(np.full((4, 17), MILLISECOND_NS))
    assert (found.p50_ci95, found.p90_ci95, found.p99_ci95) == (None, None, None)
    assert found.as_json()["p50_ci95"] is None


@pytest.mark.parametrize(("rounds", "images", "got"), [(0, 5, "0 and 5"), (-1, 5, "-1 and 5"), (3, 0, "3 and 0")])
def test_no_rounds_and_no_images_are_refused(rounds: int, images: int, got: str) -> None:
    calls: list[tuple[str, int]] = []
    with pytest.raises(
        EdgeError, match=f"cannot measure latency; expected at least one round and one image; got {got}$"
    ):
        measure_latency({"a": FakeRunner("a", calls)}, numbered_images(images), rounds=rounds)
    assert calls == []
