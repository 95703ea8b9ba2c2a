"""How fast a model still is after running for a while: a small board without a fan gets hot and slows down."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from ..runtime.runner import Runner
from .machine import frequency_mhz, temperature_c

WINDOWS = 10


@dataclass(frozen=True)
class Window:
    """A tenth of the time.

    Attributes:
        at_s: when it ended, from the beginning.
        n: runs in it.
        p50_ms: their median.
        temperature_c: of the hottest part that says so, at its end; None where the machine does not say.
        frequency_mhz: of the fastest core, likewise.
    """

    at_s: float
    n: int
    p50_ms: float
    temperature_c: float | None
    frequency_mhz: float | None


@dataclass(frozen=True)
class Sustained:
    """One model, running without a pause.

    Attributes:
        seconds: that were asked for.
        windows: one after another.
        slowdown: the last window's median over the first's, less 1; 0.2 is a fifth slower.
    """

    seconds: float
    windows: tuple[Window, ...]
    slowdown: float

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {**asdict(self), "windows": [asdict(window) for window in self.windows]}


def measure_sustained(
    runner: Runner, images: npt.NDArray[np.uint8], *, seconds: float, name: str, progress: Progress = silent
) -> Sustained:
    """Run one model for `seconds` on one image after another, uint8 ``(n, 28, 28)``.

    Raises:
        EdgeError: no images, or `seconds` not above 0.
    """
    if not len(images) or not 0 < seconds < float("inf"):
        expected, got = "images and a time above 0 s", f"{len(images)} and {seconds} s"
        raise EdgeError("cannot measure sustained speed", expected=expected, got=got)
    windows = []
    began_ns = time.perf_counter_ns()
    for done in range(WINDOWS):
        progress(f"running {name} without a pause", done, WINDOWS)
        windows.append(_run_until(runner, images, began_ns, seconds * (done + 1) / WINDOWS))
    progress(f"running {name} without a pause", WINDOWS, WINDOWS)
    return Sustained(seconds, tuple(windows), windows[-1].p50_ms / windows[0].p50_ms - 1)


def _run_until(runner: Runner, images: npt.NDArray[np.uint8], began_ns: int, until_s: float) -> Window:
    """Run until so many seconds after the beginning, at least once."""
    times_ns: list[int] = []
    while True:
        position = len(times_ns) % len(images)
        start_ns = time.perf_counter_ns()
        runner.infer(images[position : position + 1])
        now_ns = time.perf_counter_ns()
        times_ns.append(max(now_ns - start_ns, 1))
        if now_ns - began_ns >= until_s * 1e9:
            break
    return Window(
        at_s=(now_ns - began_ns) / 1e9,
        n=len(times_ns),
        p50_ms=float(np.median(times_ns)) / 1e6,
        temperature_c=temperature_c(),
        frequency_mhz=frequency_mhz(),
    )
