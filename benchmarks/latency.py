"""How long one picture takes: every model warmed up, then measured in turns, so that a drifting machine is fair."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from ..runtime.runner import Runner

BLOCK_RUNS = 20
BLOCK_SKIPPED = 3
"""Runs at the head of each block that are not counted: they pay for the caches that the model before has emptied."""
DEFAULT_ROUNDS = 50
STEADY_BLOCKS = 3
"""A model is warm when the medians of so many blocks in a row lie close together."""
STEADY_SHARE = 0.05
STEADY_NS = 5_000
"""How close: within 5%, or for very small models within 5 microseconds."""
WARM_UP_MOST_BLOCKS = 50
RESAMPLES = 500
LEAST_ROUNDS = 5
"""With fewer rounds there is no interval: too few blocks to draw from."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Latency:
    """Time from raw pixels to probabilities for one image, in milliseconds.

    Attributes:
        p50: median.
        p90: nine of ten runs are faster.
        p99: ninety-nine of a hundred runs are faster.
        p50_ci95: 95% interval of the median, from whole blocks drawn again; None with few rounds.
        p90_ci95: likewise.
        p99_ci95: likewise.
        n: counted runs.
        warm_up_runs: runs before the first one that was timed for this.
        quantiles: 101 numbers, from the fastest run to the slowest in steps of one percent of the runs.
    """

    p50: float
    p90: float
    p99: float
    p50_ci95: Interval | None
    p90_ci95: Interval | None
    p99_ci95: Interval | None
    n: int
    warm_up_runs: int
    quantiles: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def measure_latency(
    runners: Mapping[str, Runner],
    images: npt.NDArray[np.uint8],
    *,
    rounds: int = DEFAULT_ROUNDS,
    seed: int = 0,
    observe: Callable[[], None] = lambda: None,
    progress: Progress = silent,
) -> dict[str, Latency]:
    """Measure all `runners` interleaved in one process.

    Each round visits every model once, in a new random order, for a block of runs on one image after another.

    Args:
        runners: the models by name.
        images: uint8 ``(n, 28, 28)``, used in turns; in one round every model gets the same.
        rounds: blocks a model, at least 1.
        seed: of the orders.
        observe: called before every round, to look at the machine.
        progress: told of every round.

    Raises:
        EdgeError: `rounds` below 1, or no images.
    """
    if rounds < 1 or not len(images):
        got = f"{rounds} and {len(images)}"
        raise EdgeError("cannot measure latency", expected="at least one round and one image", got=got)
    warm_up_runs = {}
    for done, (name, runner) in enumerate(runners.items()):
        progress("warming up", done, len(runners))
        warm_up_runs[name] = warm_up(runner, images)
    progress("warming up", len(runners), len(runners))
    blocks: dict[str, list[list[int]]] = {name: [] for name in runners}
    random = np.random.default_rng(seed)
    for done in range(rounds):
        progress("measuring latency", done, rounds)
        observe()
        for name in random.permutation(list(runners)):
            times = time_runs(runners[name], images, BLOCK_RUNS, first=done * BLOCK_RUNS)
            blocks[name].append(times[BLOCK_SKIPPED:])
    progress("measuring latency", rounds, rounds)
    return {name: summarize(np.array(times), warm_up_runs=warm_up_runs[name]) for name, times in blocks.items()}


def warm_up(runner: Runner, images: npt.NDArray[np.uint8]) -> int:
    """Run a model until its time is steady, or `WARM_UP_MOST_BLOCKS` blocks are over; return how many runs it took."""
    medians: list[float] = []
    for block in range(WARM_UP_MOST_BLOCKS):
        medians.append(float(np.median(time_runs(runner, images, BLOCK_RUNS, first=block * BLOCK_RUNS))))
        if is_steady(medians):
            break
    return len(medians) * BLOCK_RUNS


def is_steady(medians_ns: list[float]) -> bool:
    """Tell whether the last `STEADY_BLOCKS` medians lie close together.

    >>> is_steady([9e6, 1.00e6, 1.02e6, 1.04e6]), is_steady([1.0e6, 1.2e6, 1.0e6]), is_steady([1e6, 1e6])
    (True, False, False)
    """
    last = medians_ns[-STEADY_BLOCKS:]
    return len(last) == STEADY_BLOCKS and max(last) - min(last) <= max(STEADY_NS, STEADY_SHARE * min(last))


def time_runs(runner: Runner, images: npt.NDArray[np.uint8], runs: int, *, first: int = 0) -> list[int]:
    """Time single images one after another, beginning with number `first`; return nanoseconds a run."""
    times_ns = []
    for run in range(first, first + runs):
        position = run % len(images)
        image = images[position : position + 1]
        began_ns = time.perf_counter_ns()
        runner.infer(image)
        times_ns.append(time.perf_counter_ns() - began_ns)
    return times_ns


def summarize(times_ns: npt.NDArray[np.int64], *, warm_up_runs: int = 0, seed: int = 0) -> Latency:
    """Reduce the times of all blocks, int64 ``(rounds, runs)`` nanoseconds, to percentiles.

    The intervals draw whole blocks with replacement, because runs of one block are alike: A. C. Davison, D. V. Hinkley,
    "Bootstrap Methods and their Application" (1997), section 8.2.3.

    >>> summarize(np.array([[1_000_000, 2_000_000, 3_000_000]])).p50
    2.0
    """
    levels = [50, 90, 99]
    p50, p90, p99 = (float(value) for value in np.percentile(times_ns, levels) / 1e6)
    rounds = len(times_ns)
    intervals: list[Interval] | None = None
    if rounds >= LEAST_ROUNDS:
        drawn = np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))
        values = np.percentile(times_ns[drawn].reshape(RESAMPLES, -1), levels, axis=1) / 1e6
        intervals = [(float(low), float(high)) for low, high in np.percentile(values, [2.5, 97.5], axis=1).T]
    quantiles = tuple(float(value) for value in np.percentile(times_ns, np.arange(101)) / 1e6)
    low, middle, high = intervals or (None, None, None)
    return Latency(p50, p90, p99, low, middle, high, times_ns.size, warm_up_runs, quantiles)
