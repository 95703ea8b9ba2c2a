"""Packages and models that crash, hang or are missing, in real processes, and on emulated boards."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_edge.benchmarks.boards import sysroot, tools
from fmnist_edge.benchmarks.boards.board import BOARDS, cpuinfo
from fmnist_edge.benchmarks.boards.sysroot import Sysroot
from fmnist_edge.common import box
from fmnist_edge.runtime.doctor import Machine, Status, examine
from fmnist_edge.runtime.doctor import machine as machines
from fmnist_edge.runtime.doctor.finding import Finding
from fmnist_edge.runtime.doctor.machine import Ended
from fmnist_edge.runtime.doctor.model import check_model
from fmnist_edge.runtime.doctor.packages import PACKAGES, check_packages

from ...command_line import type_in
from .conftest import Put

DIE = "import os, signal\nos.kill(os.getpid(), signal.{})\n"


@pytest.fixture
def site(machine: Machine) -> Machine:
    """This Python, with what a test puts into /site before its own packages."""
    path = os.pathsep.join([str(machine.path("/site")), os.environ.get("PYTHONPATH", "")])
    return dataclasses.replace(machine, environment={**os.environ, "PYTHONPATH": path})


def named(findings: object, name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]  # type: ignore[attr-defined]
    return found  # type: ignore[no-any-return]


def test_the_packages_that_are_here_import(machine: Machine) -> None:
    findings = list(check_packages(machine))
    assert [finding.name for finding in findings] == [package.name for package in PACKAGES]
    assert [finding.status for finding in findings] == [Status.OK] * len(PACKAGES)
    assert findings[0].found[0].isdigit()


@pytest.mark.parametrize(
    ("signal_name", "why", "mend"),
    [
        ("SIGILL", "an illegal instruction (SIGILL)", "pip install --only-binary :all: 'numpy<2."),
        ("SIGSEGV", "a crash (SIGSEGV)", "pip install --force-reinstall --no-cache-dir numpy"),
        ("SIGBUS", "a crash (SIGBUS)", "pip install --force-reinstall --no-cache-dir numpy"),
        ("SIGKILL", "it was killed (SIGKILL), most likely for want of memory", "close other programs"),
    ],
)
def test_a_package_that_crashes_becomes_advice(signal_name: str, why: str, mend: str, site: Machine, put: Put) -> None:
    put("/site/numpy.py", DIE.format(signal_name))
    found = named(check_packages(site), "numpy")
    assert found.status is Status.FAULT
    assert found.found.endswith(f"; import numpy ends in {why}")
    assert found.mend.startswith(mend)
    assert not list(Path.cwd().glob("core*"))


def test_an_extra_may_be_missing_but_not_broken(site: Machine, put: Put) -> None:
    put("/site/ai_edge_litert/__init__.py", "")
    put("/site/ai_edge_litert/interpreter.py", "raise ImportError('libGL.so.1: cannot open shared object file')")
    found = named(check_packages(site), "ai-edge-litert")
    assert found.status is Status.WARNING
    assert found.found.endswith("ends in ImportError: libGL.so.1: cannot open shared object file")
    assert found.mend == "pip install --force-reinstall --no-cache-dir 'fmnist-edge[litert]'"


def test_missing_packages_are_faults_but_for_the_extra(machine: Machine, tmp_path: Path) -> None:
    bare = dataclasses.replace(machine, python=(sys.executable, "-S"), environment={})
    findings = {finding.name: finding for finding in check_packages(bare)}
    assert (findings["onnxruntime"].status, findings["onnxruntime"].found) == (Status.FAULT, "not installed")
    assert findings["onnxruntime"].mend == "pip install onnxruntime"
    assert findings["ai-edge-litert"].status is Status.OK
    assert "pip install 'fmnist-edge[litert]'" in findings["ai-edge-litert"].found


def test_a_package_that_hangs_is_a_fault(site: Machine, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "TIMEOUT_S", 1)
    assert site.run([sys.executable, "-c", "import time; time.sleep(60)"]) == Ended(None, stderr="no end within 1 s")


# The model


def test_a_model_answers(machine: Machine, int8_onnx: Path, int8_tflite: Path) -> None:
    for path in (int8_onnx, int8_tflite):
        found = check_model(machine, path)
        assert found.status is Status.OK
        assert found.found.startswith(f"{path} loads and answers, in ")


def test_the_newest_model_is_looked_for(
    machine: Machine, int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = check_model(machine, None)
    each = "loads and answers, in [0-9.]+ ms a picture"
    says = f"in the box: fmnist-compact-int8.onnx {each}; fmnist-compact-photo-int8.onnx {each}"
    assert found.status is Status.OK
    assert re.fullmatch(says, found.found)
    (tmp_path / "exports").mkdir()
    shutil.copy(int8_onnx, "exports")
    found = check_model(machine, None)
    assert found.status is Status.OK
    assert found.found.startswith("exports/fmnist-compact-int8.onnx loads and answers")


def test_a_model_of_the_box_that_is_damaged_is_a_fault(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {name: box.int8_model(name).read_bytes() for name in box.NAMES}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(box, "FOLDER", tmp_path)
    box.int8_model("compact").write_bytes(good["compact"])
    missing = check_model(machine, None)
    box.int8_model("compact-photo").write_bytes(good["compact-photo"][:5000])
    for found in (missing, check_model(machine, None)):
        assert (found.status, found.mend) == (Status.FAULT, "pip install --force-reinstall --no-deps fmnist-edge")
        assert "fmnist-compact-photo-int8.onnx" in found.found


def test_a_damaged_model_is_a_fault_before_a_runtime_sees_it(machine: Machine, int8_onnx: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    half.write_bytes(int8_onnx.read_bytes()[:5000])
    found = check_model(machine, half)
    assert found.status is Status.FAULT
    assert found.found.startswith(f"{half} has no ModelCard; got a file that is truncated")
    assert found.mend.startswith("export it: fmnist-edge export")


@pytest.mark.parametrize(
    ("signal_name", "mend"),
    [
        ("SIGILL", "mend the package above that crashes"),
        ("SIGSEGV", "pip install --force-reinstall --no-cache-dir onnxruntime"),
        ("SIGKILL", "use a smaller model"),
    ],
)
def test_a_model_that_crashes_the_runtime_is_a_fault(
    signal_name: str, mend: str, site: Machine, put: Put, int8_onnx: Path
) -> None:
    put("/site/onnxruntime.py", DIE.format(signal_name))
    found = check_model(site, int8_onnx)
    assert found.status is Status.FAULT
    assert found.found.startswith(f"{int8_onnx} ends in ")
    assert signal_name in found.found
    assert found.mend.startswith(mend)


def test_a_model_without_its_runtime_says_which_package(site: Machine, put: Put, int8_onnx: Path) -> None:
    put("/site/onnxruntime.py", "raise ImportError('libonnx.so: wrong ELF class')")
    found = check_model(site, int8_onnx)
    assert found.status is Status.FAULT
    assert found.found == "ImportError: libonnx.so: wrong ELF class"
    assert found.mend == "mend the packages above first"


# The command


def test_the_command_runs_where_every_package_crashes(site: Machine, put: Put, int8_onnx: Path) -> None:
    for name in ("numpy", "onnxruntime", "PIL"):
        put(f"/site/{name}.py", DIE.format("SIGILL"))
    command = [sys.executable, "-m", "fmnist_edge.cli", "doctor", "--model", str(int8_onnx), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=site.environment)
    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert said["ready"] is False
    faults = {found["name"]: found for found in said["findings"] if found["status"] == "fault"}
    assert set(faults) == {"numpy", "onnxruntime", "pillow", "model"}
    assert all(found["mend"] for found in faults.values())


def test_the_command_prints_a_line_a_finding_and_what_mends_it(
    int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = type_in("doctor")
    lines = done.out.splitlines()
    assert (done.code, lines[-1]) == (0, "ready")
    assert [line for line in lines if line.startswith("ok       model           in the box: fmnist-compact-int8.onnx")]
    done = type_in("doctor", "--model", "absent.onnx")
    lines = done.out.splitlines()
    assert done.code == 1
    assert lines[-1] == "not ready: mend the faults from the top"
    (at,) = [number for number, line in enumerate(lines) if line.startswith("fault    model           no file at")]
    assert lines[at + 1].strip() == "next: check the path, or make a model: fmnist-edge export --int8"
    done = type_in("doctor", "--model", int8_onnx)
    assert (done.code, done.out.splitlines()[-1]) == (0, "ready")


def test_the_doctor_alone_needs_no_package(int8_onnx: Path, tmp_path: Path) -> None:
    """This Python without its site-packages has neither typer nor numpy."""
    (tmp_path / "fmnist_edge").symlink_to(Path(machines.__file__).parents[2])
    command = [sys.executable, "-S", "-m", "fmnist_edge.runtime.doctor", str(int8_onnx)]
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")  # its processes are whole Pythons again
    assert done.stdout.splitlines()[-1] == "ready"


# On emulated boards


@pytest.fixture(scope="module")
def real() -> Sysroot:
    """The real sysroot, built on first use into the user's cache."""
    missing = tools.missing_tools()
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine; run: make system")
    return sysroot.prepare()


def emulated(real: Sysroot, name: str, root: Path) -> Machine:
    qemu = shutil.which("qemu-aarch64")
    assert qemu is not None
    environment = {
        "LC_ALL": "C.UTF-8",
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, real.python_path)),
        "PYTHONPYCACHEPREFIX": str(real.bytecode),
    }
    python = (qemu, "-cpu", BOARDS[name].cpu, "-L", str(root), str(real.interpreter))
    return Machine(root=root, python=python, environment=environment)


def test_an_emulated_pi5_is_ready_but_for_typer(real: Sysroot, int8_onnx: Path) -> None:
    """The command line is not part of the emulated system, so typer is missing there."""
    findings = list(examine(emulated(real, "pi5", real.root(BOARDS["pi5"])), int8_onnx))
    assert [finding.name for finding in findings if finding.status is Status.FAULT] == ["typer"]
    assert named(findings, "processor").found.startswith("Cortex-A76, 4 cores; int8 dot products")
    assert named(findings, "wheels").found.startswith("cp311, manylinux_2_28_aarch64; glibc 2.")
    assert "loads and answers" in named(findings, "model").found


def test_a_pi4_whose_kernel_promises_too_much_ends_in_advice(real: Sysroot, int8_onnx: Path, tmp_path: Path) -> None:
    """What the wrong build does on a real board: the int8 kernels use dot products that a Pi 4 has not."""
    root = tmp_path / "board"
    (root / "proc").mkdir(parents=True)
    for entry in real.root(BOARDS["pi4"]).iterdir():
        if entry.name != "proc":
            (root / entry.name).symlink_to(entry.resolve())
    (root / "proc/cpuinfo").write_text(cpuinfo(BOARDS["pi5"]))
    found = check_model(emulated(real, "pi4", root), int8_onnx)
    assert found.status is Status.FAULT
    assert found.found == f"{int8_onnx} ends in an illegal instruction (SIGILL)"
    assert found.mend.startswith("mend the package above that crashes")
