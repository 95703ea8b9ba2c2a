"""How long one picture takes: every model warmed up, then measured in turns, so that a drifting machine is fair."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from ..runtime.runner import Runner

WARM_UP_RUNS = 20
BLOCK_RUNS = 20
BLOCK_SKIPPED = 3
"""Runs at the head of each block that are not counted: they pay for the caches that the model before has emptied."""


@dataclass(frozen=True)
class Latency:
    """Time from raw pixels to probabilities for one image, in milliseconds.

    Attributes:
        p50: median.
        p90: nine of ten runs are faster.
        p99: ninety-nine of a hundred runs are faster.
        n: counted runs.
    """

    p50: float
    p90: float
    p99: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)


def measure_latency(
    runners: Mapping[str, Runner],
    images: npt.NDArray[np.uint8],
    *,
    rounds: int = 20,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Latency]:
    """Measure all `runners` interleaved in one process.

    Each round visits every model once, in a new random order, for a block of runs on one image after another.

    Args:
        runners: the models by name.
        images: uint8 ``(n, 28, 28)``, used in turns; in one round every model gets the same.
        rounds: blocks a model, at least 1.
        seed: of the orders.
        progress: told of every round.

    Raises:
        EdgeError: `rounds` below 1, or no images.
    """
    if rounds < 1 or not len(images):
        got = f"{rounds} and {len(images)}"
        raise EdgeError("cannot measure latency", expected="at least one round and one image", got=got)
    for runner in runners.values():
        _time_runs(runner, images, WARM_UP_RUNS)
    times_ns: dict[str, list[int]] = {name: [] for name in runners}
    random = np.random.default_rng(seed)
    for done in range(rounds):
        progress("measuring latency", done, rounds)
        for name in random.permutation(list(runners)):
            times = _time_runs(runners[name], images, BLOCK_RUNS, first=done * BLOCK_RUNS)
            times_ns[name] += times[BLOCK_SKIPPED:]
    progress("measuring latency", rounds, rounds)
    return {name: summarize(np.array(times)) for name, times in times_ns.items()}


def _time_runs(runner: Runner, images: npt.NDArray[np.uint8], runs: int, *, first: int = 0) -> list[int]:
    times_ns = []
    for run in range(first, first + runs):
        position = run % len(images)
        image = images[position : position + 1]
        began_ns = time.perf_counter_ns()
        runner.infer(image)
        times_ns.append(time.perf_counter_ns() - began_ns)
    return times_ns


def summarize(times_ns: npt.NDArray[np.int64]) -> Latency:
    """Reduce single times, int64 ``(n,)`` nanoseconds, to percentiles.

    >>> summarize(np.array([1_000_000, 2_000_000, 3_000_000])).p50
    2.0
    """
    p50, p90, p99 = (float(value) for value in np.percentile(times_ns, [50, 90, 99]) / 1e6)
    return Latency(p50=p50, p90=p90, p99=p99, n=len(times_ns))
