"""Boards as folders: the files of /proc, /sys and /usr that the doctor reads, and a Python that answers as told."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fmnist_edge.benchmarks.boards.board import BOARDS, cpuinfo
from fmnist_edge.runtime.doctor.machine import Machine

Put = Callable[[str, str], None]

MODELS = {
    "pi3": "Raspberry Pi 3 Model B Plus Rev 1.3",
    "zero2w": "Raspberry Pi Zero 2 W Rev 1.0",
    "pi4": "Raspberry Pi 4 Model B Rev 1.5",
    "pi5": "Raspberry Pi 5 Model B Rev 1.0",
}
MEMORY_KB = {  # in all, available
    "pi3": (932_864, 640_000),
    "zero2w": (426_000, 251_000),
    "pi4": (3_885_000, 3_300_000),
    "pi5": (8_256_000, 7_000_000),
}
CSI = {"pi3": "unicam-image", "zero2w": "unicam-image", "pi4": "unicam-image", "pi5": "rp1-cfe-csi2_ch0"}
PYTHON = {
    "version": [3, 11, 2],
    "implementation": "CPython",
    "libc": "glibc 2.36",
    "bits": 64,
    "kernel": "aarch64",
    "system": "Linux",
    "environment": True,
}


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a file of the fake system."""

    def write(name: str, text: str) -> None:
        path = tmp_path / "root" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write an executable shell script."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """The fake system with this Python; it has no files yet."""
    (tmp_path / "root").mkdir(exist_ok=True)
    return Machine(root=tmp_path / "root")


@pytest.fixture
def board(put: Put, script: Callable[[str, str], Path], tmp_path: Path) -> Callable[..., Machine]:
    """Lay out a board in good health, and a Python that says `python` of itself."""

    def lay(name: str, **python: object) -> Machine:
        put("/proc/device-tree/model", f"{MODELS[name]}\0")
        put("/proc/cpuinfo", cpuinfo(BOARDS[name]))
        total, available = MEMORY_KB[name]
        put("/proc/meminfo", f"MemTotal:  {total} kB\nMemFree:  9 kB\nMemAvailable:  {available} kB\n")
        put("/proc/mounts", "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n/dev/mmcblk0p1 /boot/firmware vfat ro 0 0\n")
        put("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
        put("/sys/class/thermal/thermal_zone0/temp", "48312\n")
        put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n")
        script("root/usr/bin/vcgencmd", '[ "$1" = get_throttled ] && echo throttled=0x0')
        for number, device in ((0, CSI[name]), (10, "bcm2835-codec-decode"), (20, "pispbe-input")):
            put(f"/sys/class/video4linux/video{number}/name", f"{device}\n")
        told = shlex.quote(json.dumps({**PYTHON, **python}))
        answers = f'case "$*" in *CS_GNU_LIBC_VERSION*) echo {told};; *) exec {sys.executable} "$@";; esac'
        return Machine(root=tmp_path / "root", python=(str(script("python", answers)),))

    return lay
