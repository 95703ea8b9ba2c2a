"""How many pictures a second, one at a time and in batches."""

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

BATCH = 32
ROUNDS = 9


@dataclass(frozen=True)
class Throughput:
    """Images a second over `BATCH` images; the median of `ROUNDS` rounds.

    Attributes:
        batch1: given one at a time.
        batch32: given all at once. A TFLite file takes one image a call all the same.
    """

    batch1: float
    batch32: float

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)


def measure_throughput(
    runners: Mapping[str, Runner],
    images: npt.NDArray[np.uint8],
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Throughput]:
    """Measure all `runners` in turns, each round in a new random order; the first round warms up and is not counted.

    Args:
        runners: the models by name.
        images: uint8 ``(n, 28, 28)``; repeated where there are fewer than `BATCH`.
        rounds: that are counted.
        seed: of the orders.
        progress: told of every round.

    Raises:
        EdgeError: no images.
    """
    if not len(images):
        raise EdgeError("cannot measure throughput", expected="at least one image", got="none")
    batch = np.ascontiguousarray(images[np.arange(BATCH) % len(images)])
    seconds: dict[tuple[str, int], list[float]] = {(name, size): [] for name in runners for size in (1, BATCH)}
    random = np.random.default_rng(seed)
    turns = list(seconds)
    for done in range(rounds + 1):
        progress("measuring throughput", done, rounds + 1)
        for turn in random.permutation(len(turns)):
            name, size = turns[turn]
            seconds[name, size].append(_time_batch(runners[name], batch, size))
    progress("measuring throughput", rounds + 1, rounds + 1)
    return {
        name: Throughput(*(BATCH / float(np.median(seconds[name, size][1:])) for size in (1, BATCH)))
        for name in runners
    }


def _time_batch(runner: Runner, batch: npt.NDArray[np.uint8], size: int) -> float:
    began_ns = time.perf_counter_ns()
    for start in range(0, len(batch), size):
        runner.infer(batch[start : start + size])
    return max(time.perf_counter_ns() - began_ns, 1) / 1e9
