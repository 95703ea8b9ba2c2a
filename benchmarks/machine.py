"""The machine and the software that a figure was taken with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_BOARD = Path("/proc/device-tree/model")
_TELLING = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "asimd", "asimddp", "i8mm")
_PACKAGES = ("fmnist-edge", "numpy", "onnxruntime", "ai-edge-litert", "tensorflow", "keras")


def describe_machine() -> dict[str, Any]:
    """Return what decides a latency: board, processor, its int8 instructions, cores, governor and load."""
    fields = _cpu_fields()
    features = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "board": _read(_BOARD),
        "processor": fields.get("model name") or fields.get("CPU part") or platform.processor() or None,
        "features": [name for name in _TELLING if name in features],
        "cores": os.cpu_count(),
        "governor": _read(_GOVERNOR),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part, where installed."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _cpu_fields() -> dict[str, str]:
    lines = (_read(_CPUINFO) or "").splitlines()
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return {key.strip(): value.strip() for key, value in reversed(pairs)}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None
