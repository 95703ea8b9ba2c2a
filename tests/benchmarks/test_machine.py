"""What is written of the machine, from the files of a PC, of a Raspberry Pi, and of a system without such files."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.benchmarks import machine
from fmnist_edge.benchmarks.machine import describe_machine, describe_versions

PC = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Some Processor @ 2.00GHz
flags\t\t: fpu sse4_2 avx2 avx512f avx512_vnni avx2_not_really

processor\t: 1
model name\t: Some Slower Core
flags\t\t: fpu

"""
PI = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b

Revision\t: c04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""


def place(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, cpuinfo: str = "", governor: str = "", board: str = ""
) -> None:
    """Let the module read files with these texts; an empty text stands for no file."""
    for name, text in (("_CPUINFO", cpuinfo), ("_GOVERNOR", governor), ("_BOARD", board)):
        path = folder / name
        if text:
            path.write_text(text)
        monkeypatch.setattr(machine, name, path)


def test_a_pc_is_described_by_its_first_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place(monkeypatch, tmp_path, cpuinfo=PC, governor="performance\n")
    found = describe_machine()
    assert found["processor"] == "Some Processor @ 2.00GHz"
    assert found["features"] == ["avx2", "avx512f", "avx512_vnni"]
    assert found["governor"] == "performance"
    assert found["board"] is None


def test_a_raspberry_pi_is_described_by_its_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place(monkeypatch, tmp_path, cpuinfo=PI, governor="ondemand\n", board="Raspberry Pi 5 Model B Rev 1.0\0")
    found = describe_machine()
    assert found["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert found["processor"] == "0xd0b"
    assert found["features"] == ["asimd", "asimddp"]
    assert found["governor"] == "ondemand"


def test_a_machine_that_says_nothing_is_described_without_guessing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place(monkeypatch, tmp_path)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(os, "getloadavg", lambda: (1.2345, 0.0, 0.0))
    assert describe_machine() == {
        "system": platform.system(),
        "architecture": platform.machine(),
        "board": None,
        "processor": None,
        "features": [],
        "cores": os.cpu_count(),
        "governor": None,
        "load_1min": 1.23,
    }


def test_without_cpuinfo_the_platform_s_name_of_the_processor_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place(monkeypatch, tmp_path)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert describe_machine()["processor"] == "arm"


def test_this_machine_can_be_described_in_json() -> None:
    found = describe_machine()
    assert json.loads(json.dumps(found)) == found
    assert found["cores"] >= 1
    assert found["load_1min"] >= 0


def test_versions_are_those_installed() -> None:
    found = describe_versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["fmnist-edge"] == version("fmnist-edge")
    assert found["onnxruntime"] == version("onnxruntime")


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("fmnist-edge-that-nobody-has", "numpy"))
    assert describe_versions().keys() == {"python", "numpy"}
