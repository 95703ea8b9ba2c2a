"""Was the machine itself while it was measured? Throttling, frequency, other programs, and a yardstick of our own."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from .machine import frequency_mhz, temperature_c, throttle_bits, throttle_names

_STAT = Path("/proc/stat")
_YARDSTICK = bytes(65_536)
_YARDSTICK_RUNS = 10
MOST_DRIFT = 0.05
"""A yardstick or a frequency that ends so much off its beginning is a drift."""
MOST_SPREAD = 0.25
"""A yardstick whose slow rounds (nine of ten are faster) are so much slower than its median is unsteady."""
MOST_OTHERS = 0.25
"""Other programs that keep more than a quarter of a core busy are a load."""


@dataclass(frozen=True)
class Snapshot:
    """The machine at one moment; None where it does not say.

    Attributes:
        load_1min: processes that ran or waited for a processor, averaged over a minute.
        frequency_mhz: of the fastest core.
        temperature_c: of the hottest sensor.
        throttled: what a Raspberry Pi's firmware names as being limited; empty for nothing.
    """

    load_1min: float
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: tuple[str, ...] | None


@dataclass(frozen=True)
class Conditions:
    """The machine over one measurement.

    Attributes:
        before: at its beginning.
        after: at its end.
        yardstick_ms: the same small computation (SHA-256 of 64 KiB), timed before every round; its median.
        yardstick_drift: its last third over its first, less 1.
        yardstick_spread: its p90 over its median, less 1.
        frequency_drift: of the frequencies, as of the yardstick; None where unknown.
        others_cores: how many cores other programs kept busy, on average; None where unknown.
        disturbances: what disturbed the measurement, in words; empty for nothing.
    """

    before: Snapshot
    after: Snapshot
    yardstick_ms: float
    yardstick_drift: float
    yardstick_spread: float
    frequency_drift: float | None
    others_cores: float | None
    disturbances: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        content = {**asdict(self), "disturbances": list(self.disturbances)}
        for key, moment in (("before", self.before), ("after", self.after)):
            content[key]["throttled"] = None if moment.throttled is None else list(moment.throttled)
        return content


class Watch:
    """Looks at the machine: at the beginning, before every round, and at the end."""

    def __init__(self) -> None:
        self._before = take_snapshot()
        self._bits = throttle_bits()
        self._busy = _busy_seconds()
        self._began_s = time.monotonic()
        self._yardsticks_ms: list[float] = []
        self._frequencies_mhz: list[float] = []

    def look(self) -> None:
        """Note the frequency and the yardstick now; takes about a millisecond."""
        self._yardsticks_ms.append(time_yardstick_ms())
        now_mhz = frequency_mhz()
        if now_mhz is not None:
            self._frequencies_mhz.append(now_mhz)

    def finish(self) -> Conditions:
        """Look a last time and judge."""
        self.look()
        times = sorted(self._yardsticks_ms)
        middle = median(times)
        found = Conditions(
            before=self._before,
            after=take_snapshot(),
            yardstick_ms=middle,
            yardstick_drift=drift(self._yardsticks_ms),
            yardstick_spread=times[int(0.9 * (len(times) - 1))] / middle - 1,
            frequency_drift=drift(self._frequencies_mhz) if self._frequencies_mhz else None,
            others_cores=self._others_cores(),
        )
        return replace(found, disturbances=judge(found, bits_before=self._bits, bits_after=throttle_bits()))

    def _others_cores(self) -> float | None:
        busy, began = _busy_seconds(), self._busy
        if busy is None or began is None:
            return None
        elapsed_s = max(time.monotonic() - self._began_s, 1e-3)
        all_busy_s, own_s = busy[0] - began[0], busy[1] - began[1]
        return max(0.0, (all_busy_s - own_s) / elapsed_s)


def judge(found: Conditions, *, bits_before: int | None, bits_after: int | None) -> tuple[str, ...]:
    """Say in words what disturbed a measurement; the bits are those of `throttle_bits`."""
    said = []
    happened = (bits_before or 0) & 0xF | (bits_after or 0) & 0xF | ((bits_after or 0) & ~(bits_before or 0)) >> 16
    if happened & 0xF:
        said.append(f"the board was limited: {', '.join(throttle_names(happened & 0xF))}")
    if found.frequency_drift is not None and abs(found.frequency_drift) > MOST_DRIFT:
        said.append(f"the processor's frequency drifted by {found.frequency_drift:+.0%}")
    if abs(found.yardstick_drift) > MOST_DRIFT:
        said.append(f"the machine's speed drifted: a fixed computation took {found.yardstick_drift:+.0%} at the end")
    if found.yardstick_spread > MOST_SPREAD:
        said.append(f"the machine's speed wavered: a fixed computation took {found.yardstick_spread:+.0%} at times")
    if found.others_cores is not None and found.others_cores > MOST_OTHERS:
        said.append(f"other programs kept {found.others_cores:.1f} cores busy")
    return tuple(said)


def drift(values: Sequence[float]) -> float:
    """Return how far the last third of the values lies from the first, as a share; 0 for fewer than three.

    >>> drift([1.0, 1.0, 1.1, 1.2, 1.2]), drift([1.0, 2.0])
    (0.19999999999999996, 0.0)
    """
    third = len(values) // 3
    if not third:
        return 0.0
    return median(values[-third:]) / median(values[:third]) - 1


def take_snapshot() -> Snapshot:
    """Look at the machine now."""
    bits = throttle_bits()
    return Snapshot(
        load_1min=round(os.getloadavg()[0], 2),
        frequency_mhz=frequency_mhz(),
        temperature_c=temperature_c(),
        throttled=None if bits is None else tuple(throttle_names(bits)),
    )


def time_yardstick_ms() -> float:
    """Time the yardstick: the fastest of ten, so that it tells the machine's speed and not an interruption."""
    times_ns = []
    for _ in range(_YARDSTICK_RUNS):
        began_ns = time.perf_counter_ns()
        hashlib.sha256(_YARDSTICK).digest()
        times_ns.append(time.perf_counter_ns() - began_ns)
    return max(min(times_ns), 1) / 1e6


def _busy_seconds() -> tuple[float, float] | None:
    """Return the seconds that all processors were busy since the start, and those of this process; None if unknown."""
    try:
        fields = _STAT.read_text(encoding="ascii", errors="replace").splitlines()[0].split()
        user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[1:9])
    except (OSError, ValueError, IndexError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq + steal) / ticks, time.process_time()
