"""What a model costs a fresh process: the time to the first answer, and the memory at its highest.

Run as ``python -m fmnist_edge.benchmarks.probe MODEL`` it is that process: it loads the model with the runtime alone,
answers once, and prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import EdgeError, one_line
from ..runtime.runner import SIDE, open_runner
from ..runtime.trust import Trust

_TIMEOUT_S = 300
UNVERIFIED = "unverified"
"""Behind the other arguments: the digest of the file is not looked at."""


@dataclass(frozen=True)
class ColdStart:
    """Medians over several fresh processes.

    Attributes:
        cold_start_ms: from the start of the process to its first answer, interpreter and imports included; the clock
            of `time.perf_counter_ns` is the same in all processes of a machine.
        peak_rss_bytes: highest resident memory of the process.
    """

    cold_start_ms: float
    peak_rss_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)


def measure_cold_start(model: Path, *, threads: int = 1, runs: int = 5, verify: bool = True) -> ColdStart:
    """Start `runs` fresh processes, one after the other, that load `model` and answer once.

    Raises:
        EdgeError: a process failed; says why.
    """
    measured = [_run(model, threads, verify) for _ in range(runs)]
    return ColdStart(
        cold_start_ms=statistics.median(entry.cold_start_ms for entry in measured),
        peak_rss_bytes=int(statistics.median(entry.peak_rss_bytes for entry in measured)),
    )


def _run(model: Path, threads: int, verify: bool) -> ColdStart:
    command = [sys.executable, "-m", __spec__.name, str(model), str(threads), *([] if verify else [UNVERIFIED])]
    began_ns = time.perf_counter_ns()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        expected, got = f"an answer within {_TIMEOUT_S} s", "none"
        raise EdgeError(f"a fresh process could not run {model}", expected=expected, got=got) from error
    if done.returncode:
        got = one_line(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}")
        raise EdgeError(f"a fresh process could not run {model}", got=got)
    answer = json.loads(done.stdout)
    return ColdStart(
        cold_start_ms=(answer["answered_ns"] - began_ns) / 1e6,
        peak_rss_bytes=answer["peak_rss_bytes"],
    )


def peak_rss_bytes() -> int:
    """Return this process's highest resident memory.

    Linux's own VmHWM where there is one: ``getrusage`` there still knows the memory of the process that forked us.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: list[str]) -> None:
    """Load the model, answer once, and print when that was, and the peak memory, as JSON."""
    model, threads = Path(arguments[0]), int(arguments[1])
    trust = Trust.chosen(verify=UNVERIFIED not in arguments[2:])
    open_runner(model, threads=threads, trust=trust).infer(np.zeros((1, SIDE, SIDE), np.uint8))
    answered_ns = time.perf_counter_ns()
    sys.stdout.write(json.dumps({"answered_ns": answered_ns, "peak_rss_bytes": peak_rss_bytes()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
