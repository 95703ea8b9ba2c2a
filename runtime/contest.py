"""Two files of one network, two runtimes: which is faster on this machine, measured once and remembered."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.cache import cache_folder
from ..common.errors import EdgeError
from .integrity import new_sha256
from .runner import SIDE, ExportedRunner, open_runner
from .trust import Trust

_METHOD = 1
"""Raised when the measurement changes, so that what an earlier release remembered is measured again."""
_MAX_BYTES = 1 << 20
"""So much of what is remembered is read; it takes a hundredth of it."""
_KEPT = 64
"""More models than that are not remembered."""
_FILE = "backends.json"
_ROUNDS = 36
_WARM_UP = 4
_PACKAGES = ("onnxruntime", "ai_edge_litert")
_CPU_FIELDS = {"model name", "flags", "Features", "CPU implementer", "CPU part", "CPU revision", "Model"}


def faster(onnx: Path, tflite: Path, digests: Sequence[str], *, threads: int, trust: Trust) -> Path:
    """Return the file that is faster here and says the same as the other; ONNX where they differ.

    It is measured where it is not remembered. While that goes on, ONNX is noted as the answer: where LiteRT's code is
    not made for the processor, it ends the process, and the next one shall not try again.

    Raises:
        EdgeError: one of the files cannot be run.
    """
    key = _key(digests, threads)
    known = recall(key)
    if known is None:
        remember(key, onnx.suffix)
        try:
            known = _measure(onnx, tflite, threads, trust)
        except EdgeError:  # a damaged file can be mended, so it is not remembered
            remember(key, None)
            raise
        remember(key, known)
    return tflite if known == tflite.suffix else onnx


def _measure(onnx: Path, tflite: Path, threads: int, trust: Trust) -> str:
    """Run both on the same pictures, in turns, and return the suffix of the file to keep."""
    with (
        open_runner(onnx, threads=threads, trust=trust) as first,
        open_runner(tflite, threads=threads, trust=trust) as second,
    ):
        times_ns: list[list[int]] = [[], []]
        for position, picture in enumerate(pictures(_WARM_UP + _ROUNDS)):
            answers = [_timed(runner, picture) for runner in (first, second)]
            if len({label for label, _ in answers}) > 1:
                return onnx.suffix
            if position >= _WARM_UP:
                for kept, (_, elapsed_ns) in zip(times_ns, answers, strict=True):
                    kept.append(elapsed_ns)
    medians = [float(np.median(kept)) for kept in times_ns]
    return onnx.suffix if medians[0] <= medians[1] else tflite.suffix


def _timed(runner: ExportedRunner, picture: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return the label of one picture, uint8 ``(1, 28, 28)``, and the nanoseconds that it took."""
    began_ns = time.perf_counter_ns()
    row = runner.infer(picture)
    elapsed_ns = time.perf_counter_ns() - began_ns
    return int(row.argmax()), elapsed_ns


def pictures(count: int) -> list[npt.NDArray[np.uint8]]:
    """Draw pictures that are always the same, each uint8 ``(1, 28, 28)``: bodies, legs, sleeves, soles, in many tones.

    No picture of the dataset travels with the package, and of noise every network says one and the same.

    >>> [int(picture.sum()) for picture in pictures(3)]
    [19920, 52730, 19992]
    """
    rows, columns = np.mgrid[:SIDE, :SIDE]
    middle = np.abs(columns - 13.5)
    drawn = []
    for number in range(count):
        body = middle < 4 + number * 5 % 9
        sleeves = (number % 3 == 0) & (middle < 13) & (rows < 6 + number % 7 * 3)
        gap = (number % 4 == 1) & (middle < 1 + number % 3) & (rows > 8)
        sole = (number % 5 == 2) & (rows < 10 + number % 6 + columns // 4)
        shade = 60 + number * 37 % 140 + (rows * (number % 4) + columns * (number % 3)) % 50
        drawn.append(np.where((body | sleeves) & ~gap & ~sole, shade, 0).astype(np.uint8)[np.newaxis])
    return drawn


# --- what is remembered ----------------------------------------------------------------------------------------------


def recall(key: str) -> str | None:
    """Return the suffix that was kept for `key`; None where nothing usable is remembered."""
    suffix = _remembered().get(key)
    return suffix if suffix in {".onnx", ".tflite"} else None


def remember(key: str, suffix: str | None) -> None:
    """Note the suffix to keep for `key`, or forget it; where nothing can be written, it is measured again next time."""
    folder = cache_folder()
    kept = {name: known for name, known in _remembered().items() if name != key}
    if suffix is not None:
        kept[key] = suffix
    if folder is not None:
        from ..common.files import write_json  # reading does without what writing takes to import

        with contextlib.suppress(EdgeError):
            write_json(folder / _FILE, dict(list(kept.items())[-_KEPT:]))


def _remembered() -> dict[str, Any]:
    folder = cache_folder()
    try:
        if folder is None:
            return {}
        with (folder / _FILE).open("rb") as stream:
            content = json.loads(stream.read(_MAX_BYTES))  # a longer one is cut, and no JSON
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _key(digests: Sequence[str], threads: int) -> str:
    """Name one measurement: these files, this processor, these versions, so many threads."""
    parts = [_METHOD, *digests, threads, processor(), [_version(package) for package in _PACKAGES]]
    digest = new_sha256(0)
    digest.update(json.dumps(parts).encode())
    name: str = digest.hexdigest()
    return name[:32]


def _version(package: str) -> list[str]:
    """Return the folder that names the version of an installed package, or else when it was installed.

    `importlib.metadata` would say it, too, but its import takes as long as a small model.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    found = Path(spec.origin).parents[1].glob(f"{package}-*.dist-info")
    return sorted(path.name for path in found) or [str(Path(spec.origin).stat().st_mtime_ns)]


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Return what the system says of the processor's model and features, without what changes from core to core."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.machine(), platform.processor()]
    return [platform.machine(), *sorted({line for line in lines if line.split(":")[0].strip() in _CPU_FIELDS})]
