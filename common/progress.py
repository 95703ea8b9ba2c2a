"""How far long work has come: a callback for the code that works, a bar for the person who waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``; `done` grows to `total`."""


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing: the default of every function that takes a `Progress`."""


class ConsoleProgress:
    """Draw one bar per stage on a terminal; on anything else print one line when a stage ends.

    Progress goes to standard error, so that standard output holds nothing but results.
    """

    def __init__(self, stream: TextIO | None = None, *, redraw_s: float = 0.1) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._redraw_s = redraw_s
        self._stage = ""
        self._began_s = 0.0
        self._drawn_s = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `stage` are through."""
        now_s = time.monotonic()
        if stage != self._stage:
            self._stage, self._began_s, self._drawn_s = stage, now_s, 0.0
        finished = done >= total
        if not finished and (not self._stream.isatty() or now_s - self._drawn_s < self._redraw_s):
            return
        self._drawn_s = now_s
        self._draw(done, total, elapsed_s=now_s - self._began_s)
        if finished:
            self._stage = ""

    def _draw(self, done: int, total: int, *, elapsed_s: float) -> None:
        finished = done >= total
        if not self._stream.isatty():
            self._stream.write(f"{self._stage}: done in {elapsed_s:.1f} s\n")
        else:
            filled = 24 * done // max(total, 1)
            left = "" if finished or done == 0 else f", {elapsed_s * (total - done) / done:.0f} s left"
            bar = "█" * filled + "░" * (24 - filled)
            self._stream.write(f"\r\x1b[K{self._stage} {bar} {done}/{total} {elapsed_s:.1f} s{left}")
            self._stream.write("\n" if finished else "")
        self._stream.flush()
