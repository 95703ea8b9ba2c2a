"""The machine and the software that a figure was taken with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
_CPUS = Path("/sys/devices/system/cpu")
_BOARD = Path("/proc/device-tree/model")
_THERMAL = Path("/sys/class/thermal")
_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_TELLING = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "asimd", "asimddp", "i8mm")
_PACKAGES = ("fmnist-edge", "numpy", "onnxruntime", "ai-edge-litert", "tensorflow", "keras")
_THROTTLE_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Of the Raspberry Pi's firmware; bit 16 and up say that it happened since the board was started
(https://www.raspberrypi.com/documentation/computers/os.html#get_throttled)."""


def describe_machine() -> dict[str, Any]:
    """Return what decides a latency: board, processor, its int8 instructions, cores, governor and memory."""
    fields = _cpu_fields()
    features = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "board": _read(_BOARD),
        "processor": fields.get("model name") or fields.get("CPU part") or platform.processor() or None,
        "features": [name for name in _TELLING if name in features],
        "cores": os.cpu_count(),
        "governor": _read(_CPUS / "cpu0/cpufreq/scaling_governor"),
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


def frequency_mhz() -> float | None:
    """Return the frequency of the fastest core now, in MHz; None where the machine does not say."""
    scaled = [_number(path) for path in _CPUS.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    known = [value / 1e3 for value in scaled if value is not None]
    if not known:
        lines = (_read(_CPUINFO) or "").splitlines()
        known = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return max(known, default=None)


def temperature_c() -> float | None:
    """Return the highest temperature that a sensor reports, in degrees Celsius; None where there is none."""
    values = [_number(path) for path in _THERMAL.glob("thermal_zone*/temp")]
    return max((value / 1e3 for value in values if value is not None), default=None)


def throttle_bits() -> int | None:
    """Return what the firmware of a Raspberry Pi says of its throttling; None on other machines."""
    text = _read(_THROTTLED)
    if text is None and shutil.which("vcgencmd"):
        done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=10, check=False)
        text = done.stdout.strip().partition("=")[2]
    try:
        return int(text, 16) if text else None
    except ValueError:
        return None


def throttle_names(bits: int) -> list[str]:
    """Name what the lower four bits say of this moment.

    >>> throttle_names(0x50005)
    ['under-voltage', 'throttled']
    """
    return [name for bit, name in _THROTTLE_BITS.items() if bits >> bit & 1]


def _cpu_fields() -> dict[str, str]:
    lines = (_read(_CPUINFO) or "").splitlines()
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return {key.strip(): value.strip() for key, value in reversed(pairs)}


def _number(path: Path) -> float | None:
    try:
        return float(_read(path) or "")
    except ValueError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None
