"""What the doctor reads from a board's files and asks its firmware, on boards laid out as folders."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from fmnist_edge.runtime.doctor import Machine, Status, examine
from fmnist_edge.runtime.doctor.camera import check_camera
from fmnist_edge.runtime.doctor.condition import (
    DISK_MIB,
    THROTTLED,
    check_disk,
    check_governor,
    check_memory,
    check_temperature,
    check_throttling,
    disk_finding,
    throttling_finding,
)
from fmnist_edge.runtime.doctor.finding import Finding, fault, warning
from fmnist_edge.runtime.doctor.hardware import check_board, check_processor
from fmnist_edge.runtime.doctor.interpreter import (
    NEWEST,
    OLDEST,
    Interpreter,
    ask_interpreter,
    check_bits,
    check_python,
    check_wheels,
)
from fmnist_edge.runtime.doctor.machine import Ended

from .conftest import MODELS, PYTHON, Put

ROOT = Path(__file__).parents[3]
Board = Callable[..., Machine]
Script = Callable[[str, str], Path]
X86 = "processor\t: 0\nmodel name\t: Laptop CPU\nflags\t\t: sse2 avx2{}\n\nprocessor\t: 1\n"


def interpreter(**changes: object) -> Interpreter:
    return Interpreter(**{**PYTHON, "version": (3, 11, 2), **changes})  # type: ignore[arg-type]


# Board and processor


@pytest.mark.parametrize(
    ("name", "core", "advice"),
    [
        ("pi3", "Cortex-A53, 4 cores", "no int8 dot products"),
        ("zero2w", "Cortex-A53, 4 cores", "none made with --target arm-dot"),
        ("pi4", "Cortex-A72, 4 cores", "no int8 dot products"),
        ("pi5", "Cortex-A76, 4 cores; int8 dot products", "a quarter fewer instructions"),
    ],
)
def test_a_healthy_board_is_named_and_nothing_is_wrong_with_it(name: str, core: str, advice: str, board: Board) -> None:
    machine = board(name)
    findings = {finding.name: finding for finding in examine(machine)}
    assert findings["board"].found == MODELS[name]
    assert findings["processor"].found.startswith(core)
    assert advice in findings["processor"].found
    assert findings["64 bit"].found == "64-bit kernel (aarch64), 64-bit Python"
    assert findings["python"].found == "CPython 3.11.2 in a virtual environment"
    assert findings["wheels"].found == "cp311, manylinux_2_28_aarch64; glibc 2.36 is new enough"
    assert findings["temperature"].found == "48 °C"
    assert findings["throttling"].found == "none since boot"
    assert findings["governor"].found == "ondemand"
    of_the_board = list(findings.values())[:10]
    assert [finding.status for finding in of_the_board] == [Status.OK] * 10
    assert all(finding.mend == "" for finding in of_the_board)


@pytest.mark.parametrize("model", ["Raspberry Pi Model B Plus Rev 1.2", "Raspberry Pi Zero W Rev 1.1"])
def test_a_board_without_a_64_bit_mode_is_a_fault(model: str, machine: Machine, put: Put) -> None:
    put("/proc/device-tree/model", model)
    found = check_board(machine)
    assert (found.status, found.found) == (Status.FAULT, f"{model}, a 32-bit processor")
    assert found.mend.startswith("use a Raspberry Pi 3, 4, 5 or Zero 2 W")


def test_a_laptop_is_named_by_its_firmware(machine: Machine, put: Put) -> None:
    assert check_board(machine).found == "not told by this machine"
    put("/sys/class/dmi/id/product_name", "ThinkPad\n")
    assert check_board(machine).found == "ThinkPad"


@pytest.mark.parametrize(("more", "says"), [(" avx512_vnni", "int8 dot products (VNNI)"), ("", "no int8 dot products")])
def test_the_processor_of_a_laptop(more: str, says: str, machine: Machine, put: Put) -> None:
    put("/proc/cpuinfo", X86.format(more))
    assert check_processor(machine).found.startswith(f"Laptop CPU, 2 cores; {says}")


def test_a_processor_that_is_not_described_is_a_warning(machine: Machine, put: Put) -> None:
    found = check_processor(machine)
    assert (found.status, found.found) == (Status.WARNING, "/proc/cpuinfo does not describe it")
    put("/proc/cpuinfo", "processor\t: 0\nFeatures\t: half thumb\nCPU part\t: 0xb76\n")
    found = check_processor(machine)
    assert (found.status, found.found) == (Status.FAULT, "ARM1176, 1 cores; no vector instructions (asimd)")
    put("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xfff\n")
    assert check_processor(machine).found.startswith("processor 0xfff, 1 cores; no int8")


# Python


@pytest.mark.parametrize("kernel", ["aarch64", "armv8l"])
def test_a_32_bit_userland_is_a_fault_with_the_way_out(kernel: str, board: Board) -> None:
    python = ask_interpreter(board("pi4", bits=32, kernel=kernel))
    assert isinstance(python, Interpreter)
    assert check_bits(python) == fault(
        "64 bit",
        f"64-bit kernel ({kernel}), 32-bit Python: onnxruntime has no wheel for 32-bit systems",
        "write Raspberry Pi OS (64-bit) to the card with Raspberry Pi Imager",
    )


def test_a_32_bit_kernel_is_a_fault() -> None:
    found = check_bits(interpreter(bits=32, kernel="armv7l"))
    assert (found.status, found.found[:13]) == (Status.FAULT, "32-bit kernel")


def test_a_processor_that_no_wheel_is_made_for_is_a_fault() -> None:
    found = check_bits(interpreter(kernel="riscv64"))
    assert (found.status, found.found) == (Status.FAULT, "riscv64: onnxruntime has no wheel for it")


@pytest.mark.parametrize(
    ("version", "implementation", "says", "mend"),
    [
        ((3, 9, 2), "CPython", "3.11 to 3.13 is needed", "bookworm"),
        ((3, 14, 0), "CPython", "3.11 to 3.13 is needed", "python3.13 -m venv"),
        ((3, 11, 9), "PyPy", "the wheels are for CPython", "apt install"),
    ],
)
def test_a_python_without_wheels_is_a_fault(
    version: tuple[int, ...], implementation: str, says: str, mend: str
) -> None:
    found = check_python(interpreter(version=version, implementation=implementation, environment=False))
    assert found.status is Status.FAULT
    assert f"{implementation} {version[0]}.{version[1]}.{version[2]}: " in found.found
    assert says in found.found
    assert mend in found.mend


def test_the_versions_of_python_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={OLDEST[0]}.{OLDEST[1]},<{NEWEST[0]}.{NEWEST[1] + 1}"


@pytest.mark.parametrize(("libc", "says"), [("glibc 2.27", "need 2.28 or newer"), ("", "no GNU C library")])
def test_an_old_or_other_c_library_is_a_fault(libc: str, says: str) -> None:
    found = check_wheels(interpreter(libc=libc))
    assert found.status is Status.FAULT
    assert says in found.found


def test_the_oldest_c_library_and_another_system_are_fine() -> None:
    assert check_wheels(interpreter(libc="glibc 2.28")).status is Status.OK
    assert check_wheels(interpreter(libc="", system="Darwin", kernel="arm64")).found == "Darwin on arm64"


def test_what_is_no_python_is_a_fault(machine: Machine, script: Script) -> None:
    other = dataclasses.replace(machine, python=(str(script("other", "echo hello")),))
    ended = ask_interpreter(other)
    assert isinstance(ended, Ended)
    assert ended.why == "another answer than expected: 'hello\\n'"


def test_a_python_that_does_not_start_is_a_fault(machine: Machine) -> None:
    broken = dataclasses.replace(machine, python=("/nowhere/python",))
    findings = {finding.name: finding for finding in examine(broken)}
    assert findings["python"] == fault(
        "python",
        "/nowhere/python ends in cannot start /nowhere/python: No such file or directory",
        "sudo apt install python3-venv",
    )
    assert "64 bit" not in findings


# Memory, disk, heat, power, clock


def test_little_memory_is_a_warning(board: Board, put: Put) -> None:
    machine = board("zero2w")
    assert check_memory(machine).found == "245 of 416 MiB available"
    put("/proc/meminfo", "MemTotal:  426000 kB\nMemAvailable:  61440 kB\n")
    found = check_memory(machine)
    assert (found.status, found.found) == (
        Status.WARNING,
        "60 of 416 MiB available; the largest int8 model needs 150",
    )


def test_a_full_disk_and_a_read_only_one_are_warnings(board: Board, put: Put) -> None:
    machine = board("pi4")
    assert check_disk(machine).found.endswith("MiB free")
    assert disk_finding(DISK_MIB * 2**20).status is Status.OK
    assert disk_finding(DISK_MIB * 2**20 - 1) == warning("disk", "499 MiB free; an update needs 500", "sudo apt clean")
    put("/proc/mounts", "/dev/mmcblk0p2 / ext4 ro,noatime 0 0\n")
    found = check_disk(machine)
    assert (found.status, found.found) == (Status.WARNING, "the root file system is read-only")


@pytest.mark.parametrize(("milli", "status"), [("79999", Status.OK), ("80000", Status.WARNING)])
def test_a_hot_board_is_a_warning(milli: str, status: Status, board: Board, put: Put) -> None:
    machine = board("pi5")
    put("/sys/class/thermal/thermal_zone0/temp", milli)
    put("/sys/class/thermal/thermal_zone1/type", "nvme")
    put("/sys/class/thermal/thermal_zone1/temp", "99000")
    found = check_temperature(machine)
    assert found.status is status
    assert found.found.startswith("80 °C")


@pytest.mark.parametrize(
    ("bits", "found", "mend"),
    [
        (1 << 0, "now: under-voltage (0x1)", "power supply"),
        (1 << 1, "now: the clock is capped (0x2)", "heat sink"),
        (1 << 2, "now: throttled (0x4)", "heat sink"),
        (1 << 3, "now: the soft temperature limit is active (0x8)", "heat sink"),
        (1 << 16, "since boot: under-voltage (0x10000)", "power supply"),
        (1 << 17, "since boot: the clock was capped (0x20000)", "heat sink"),
        (1 << 18, "since boot: it was throttled (0x40000)", "heat sink"),
        (1 << 19, "since boot: the soft temperature limit was active (0x80000)", "heat sink"),
    ],
)
def test_every_throttling_bit_has_its_words(bits: int, found: str, mend: str) -> None:
    said = throttling_finding(bits)
    assert (said.status, said.found) == (Status.WARNING, found)
    assert mend in said.mend


def test_bits_that_nobody_documented_are_no_warning() -> None:
    assert sorted(THROTTLED) == [0, 1, 2, 3, 16, 17, 18, 19]
    assert throttling_finding(1 << 4 | 1 << 20).status is Status.OK


def test_the_firmware_is_really_asked(board: Board, script: Script) -> None:
    machine = board("pi4")
    script("root/usr/bin/vcgencmd", "echo throttled=0x50005")
    assert check_throttling(machine).found == (
        "now: under-voltage, throttled; since boot: under-voltage, it was throttled (0x50005)"
    )
    script("root/usr/bin/vcgencmd", "echo VCHI initialization failed >&2; exit 255")
    found = check_throttling(machine)
    assert found.found == "vcgencmd does not tell: VCHI initialization failed"
    assert found.mend.startswith("sudo usermod -aG video $USER")
    script("root/usr/bin/vcgencmd", "echo error=1")
    assert check_throttling(machine).found == "vcgencmd does not tell: error=1"
    (machine.root / "usr/bin/vcgencmd").unlink()
    assert check_throttling(machine).mend == "sudo apt install raspi-utils"


@pytest.mark.parametrize(
    ("governor", "driver", "status"),
    [
        ("powersave", "cpufreq-dt", Status.WARNING),
        ("powersave", "intel_pstate", Status.OK),
        ("performance", "cpufreq-dt", Status.OK),
    ],
)
def test_a_governor_that_holds_the_clock_down_is_a_warning(
    governor: str, driver: str, status: Status, machine: Machine, put: Put
) -> None:
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", f"{governor}\n")
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", f"{driver}\n")
    assert check_governor(machine).status is status


def test_a_machine_that_tells_nothing_has_nothing_wrong(machine: Machine) -> None:
    checks = (check_memory, check_temperature, check_throttling, check_governor)
    assert [check(machine).found for check in checks] == ["not told by this machine"] * 4


# Cameras


def test_decoders_are_no_cameras_and_none_is_needed(machine: Machine, put: Put) -> None:
    put("/sys/class/video4linux/video10/name", "bcm2835-codec-decode\n")
    put("/sys/class/video4linux/video20/name", "pispbe-input\n")
    assert check_camera(machine).found == "none; predict and watch need none"
    put("/sys/class/video4linux/video0/name", "UVC Camera\n")
    put("/sys/class/video4linux/video1/name", "UVC Camera\n")
    assert check_camera(machine) == Finding("camera", Status.OK, "UVC Camera")


def test_a_ribbon_camera_needs_picamera2(machine: Machine, put: Put) -> None:
    put("/sys/class/video4linux/video0/name", "rp1-cfe-csi2_ch0\n")
    found = check_camera(machine)
    assert (found.status, found.found) == (Status.WARNING, "rp1-cfe-csi2_ch0; picamera2 cannot be imported here")
    assert "--system-site-packages" in found.mend


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("class Picamera2:\n    global_camera_info = staticmethod(lambda: [{}])", Status.OK, "picamera2 sees 1"),
        ("raise ImportError('no libcamera')", Status.WARNING, "import picamera2 ends in ImportError: no libcamera"),
        ("import os; os.abort()", Status.WARNING, "import picamera2 ends in a crash (SIGABRT)"),
    ],
)
def test_picamera2_is_asked_in_a_process_of_its_own(
    body: str, status: Status, says: str, machine: Machine, put: Put, tmp_path: Path
) -> None:
    put("/sys/class/video4linux/video0/name", "unicam-image\n")
    put("/site/picamera2.py", body)
    found = check_camera(dataclasses.replace(machine, environment={"PYTHONPATH": str(tmp_path / "root/site")}))
    assert (found.status, found.found) == (status, f"unicam-image; {says}")


def test_picamera2_without_a_camera(machine: Machine, put: Put, tmp_path: Path) -> None:
    put("/site/picamera2.py", "class Picamera2:\n    global_camera_info = staticmethod(list)")
    found = check_camera(dataclasses.replace(machine, environment={"PYTHONPATH": str(tmp_path / "root/site")}))
    assert found.found == "none; picamera2 is there; predict and watch need none"
