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
from fmnist_edge.benchmarks.machine import (
    describe_machine,
    describe_versions,
    frequency_mhz,
    temperature_c,
    throttle_bits,
    throttle_names,
)

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
    (folder / "cpu0/cpufreq").mkdir(parents=True)
    paths = {"_CPUINFO": folder / "cpuinfo", "_BOARD": folder / "board", "_CPUS": folder}
    texts = {folder / "cpuinfo": cpuinfo, folder / "board": board, folder / "cpu0/cpufreq/scaling_governor": governor}
    for path, text in texts.items():
        if text:
            path.write_text(text)
    for name, path in {**paths, "_THERMAL": folder, "_THROTTLED": folder / "throttled"}.items():
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
    assert describe_machine() == {
        "system": platform.system(),
        "architecture": platform.machine(),
        "board": None,
        "processor": None,
        "features": [],
        "cores": os.cpu_count(),
        "governor": None,
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


def test_versions_are_those_installed() -> None:
    found = describe_versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["fmnist-edge"] == version("fmnist-edge")
    assert found["onnxruntime"] == version("onnxruntime")


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("fmnist-edge-that-nobody-has", "numpy"))
    assert describe_versions().keys() == {"python", "numpy"}


def test_the_fastest_core_and_the_hottest_sensor_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place(monkeypatch, tmp_path)
    for core, khz in enumerate(("1500000", "2400000", "not a number")):
        (tmp_path / f"cpu{core}/cpufreq").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"cpu{core}/cpufreq/scaling_cur_freq").write_text(f"{khz}\n")
    for zone, temperature in enumerate(("48500", "61250")):
        (tmp_path / f"thermal_zone{zone}").mkdir()
        (tmp_path / f"thermal_zone{zone}/temp").write_text(f"{temperature}\n")
    assert frequency_mhz() == 2400.0
    assert temperature_c() == 61.25


def test_a_pc_tells_its_frequency_in_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place(monkeypatch, tmp_path, cpuinfo="cpu MHz\t\t: 2600.5\n\ncpu MHz\t\t: 3100.0\n")
    assert frequency_mhz() == 3100.0


def test_what_the_machine_does_not_say_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (frequency_mhz(), temperature_c(), throttle_bits()) == (None, None, None)


@pytest.mark.parametrize(("text", "bits"), [("0\n", 0), ("50005\n", 0x50005), ("nonsense", None)])
def test_throttling_is_read_as_the_firmware_writes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, bits: int | None
) -> None:
    place(monkeypatch, tmp_path)
    (tmp_path / "throttled").write_text(text)
    assert throttle_bits() == bits


def test_without_the_file_the_firmware_s_own_tool_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place(monkeypatch, tmp_path)
    tool = tmp_path / "vcgencmd"
    tool.write_text("#!/bin/sh\necho throttled=0x20002\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert throttle_bits() == 0x20002


def test_the_lower_bits_have_names() -> None:
    assert throttle_names(0) == []
    assert throttle_names(0xF) == ["under-voltage", "frequency capped", "throttled", "soft temperature limit"]
    assert throttle_names(0x40000) == []
