"""Emulated boards: what they are, how they are made, and that real models answer the same on them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.boards import emulator, measure, packages, payload, plugin, sysroot, tools
from fmnist_edge.benchmarks.boards.board import BOARDS, cpuinfo, find_board
from fmnist_edge.benchmarks.boards.emulator import explain_end, read_counts, run_python
from fmnist_edge.benchmarks.boards.measure import BoardMeasurement, emulate, measure_boards
from fmnist_edge.benchmarks.boards.sysroot import Sysroot
from fmnist_edge.common.files import make_folder
from fmnist_edge.dataset import Split
from fmnist_edge.runtime.runner import open_runner

IMAGES = 6
PI4, PI5 = BOARDS["pi4"], BOARDS["pi5"]
STAMP = {"wheels": {"numpy": "2.4.6"}}
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no cc on this machine; run: make system")


# Boards


@pytest.mark.parametrize(
    ("name", "cpu", "part", "dot_product"),
    [
        ("pi3", "cortex-a53", "0xd03", False),
        ("zero2w", "cortex-a53", "0xd03", False),
        ("pi4", "cortex-a72", "0xd08", False),
        ("pi5", "cortex-a76", "0xd0b", True),
    ],
)
def test_every_board_says_what_its_kernel_says(name: str, cpu: str, part: str, dot_product: bool) -> None:
    board = find_board(name)
    blocks = cpuinfo(board).strip().split("\n\n")
    fields = [dict(re.split(r"\s*: ", line) for line in block.splitlines()) for block in blocks]
    assert board.cpu == cpu
    assert [entry["processor"] for entry in fields] == ["0", "1", "2", "3"]
    assert {entry["CPU part"] for entry in fields} == {part}
    assert {entry["CPU implementer"] for entry in fields} == {"0x41"}
    assert ("asimddp" in fields[0]["Features"].split()) is dot_product
    assert {"fp", "asimd"} <= set(fields[0]["Features"].split())


def test_the_registry_holds_every_board_by_its_name() -> None:
    assert list(BOARDS) == ["pi3", "zero2w", "pi4", "pi5"]
    assert all(name == board.name for name, board in BOARDS.items())


def test_an_unknown_board_is_an_error_that_names_the_known() -> None:
    with pytest.raises(EdgeError, match="unknown board 'pi6'; expected pi3, zero2w, pi4, pi5; got pi6"):
        find_board("pi6")


# Tools


@pytest.mark.parametrize(
    ("present", "match"),
    [
        ("apt-get dpkg cc", "got no qemu-aarch64; next: apt-get install qemu-user gcc"),
        ("apt-get dpkg qemu-aarch64", "got no cc; next: apt-get install qemu-user gcc"),
        ("apt-get dpkg", "got no qemu-aarch64, cc; next: apt-get install qemu-user gcc"),
        ("qemu-aarch64 cc", "got no apt-get, dpkg; next: use a machine with Debian"),
    ],
)
def test_a_missing_tool_is_an_error_with_the_command_that_installs_it(
    present: str, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name in present.split() else None)
    with pytest.raises(EdgeError, match=f"cannot emulate a board on this machine; expected QEMU .*{match}"):
        sysroot.prepare()


def test_with_all_tools_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", str)
    assert tools.missing_tools() == ()
    tools.require_tools()


@pytest.mark.parametrize(
    ("script", "match"),
    [
        (
            "import sys; print('a\\nthe reason', file=sys.stderr); sys.exit(3)",
            "failed; got the reason; next: try again",
        ),
        ("import sys; sys.exit(3)", "failed; got exit code 3; next: try again"),
        ("import time; time.sleep(60)", "took longer than 1 s; next: try again"),
    ],
)
def test_a_tool_that_fails_is_one_line(script: str, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_TIMEOUT_S", 1)
    with pytest.raises(EdgeError, match=f"{Path(sys.executable).name} {match}"):
        tools.run_tool([sys.executable, "-c", script], hint="try again")


def test_a_tool_that_is_gone_is_one_line() -> None:
    with pytest.raises(EdgeError, match="no absent-tool on this machine; next: apt-get install qemu-user gcc"):
        tools.run_tool(["absent-tool"])


def test_a_tool_runs_where_it_is_told_and_its_output_comes_back(tmp_path: Path) -> None:
    script = "import os; print(os.getcwd(), sorted(os.environ)[:1])"
    out = tools.run_tool([sys.executable, "-c", script], folder=tmp_path, environment={"A": "1"})
    assert out == f"{tmp_path} ['A']\n"


# Packages


def fake_tool(log: list[list[str]], fail: str = "", make: Callable[[list[str]], None] = lambda _: None) -> Any:
    """A `run_tool` that runs nothing: it writes down commands, and fails at the one that has the word `fail`."""

    def run(command: list[str | Path], **_: object) -> str:
        words = [str(word) for word in command]
        log.append(words)
        if fail and fail in words:
            raise EdgeError(f"{fail} failed", got="its reason")
        make(words)
        return ""

    return run


def test_packages_come_as_files_and_the_machine_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, work = tmp_path / "root", tmp_path / "work"
    log: list[list[str]] = []

    def make(words: list[str]) -> None:
        if "install" in words:
            (work / "archives" / "python3_3.11_arm64.deb").touch()
        if words[0] == "dpkg":
            (root / "usr/bin").mkdir(parents=True)
            (root / "usr/bin/python3.11").touch()
            (root / "usr/bin/python3").symlink_to("python3.11")

    monkeypatch.setattr(packages, "run_tool", fake_tool(log, make=make))
    assert packages.unpack_python(root, work) == "3.11"
    update, install, unpack = log
    assert f"-oDir::State::Lists={work}/lists" in update
    assert "--download-only" in install
    assert "-oAPT::Architecture=arm64" in install
    assert unpack == ["dpkg", "-x", str(work / "archives/python3_3.11_arm64.deb"), str(root)]
    assert (root / "lib").readlink() == Path("usr/lib")  # a merged /usr, as newer Debians have


def test_a_broken_source_of_the_machine_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[list[str]] = []
    monkeypatch.setattr(packages, "run_tool", fake_tool(log, fail="update"))
    with pytest.raises(EdgeError, match=r"Debian's arm64 packages hold no Python; expected usr/bin/python3"):
        packages.unpack_python(make_folder(tmp_path / "root"), tmp_path / "work")
    assert "install" in log[1]


def test_packages_that_do_not_come_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "run_tool", fake_tool([], fail="install"))
    with pytest.raises(EdgeError, match="cannot download arm64 packages: install failed; got its reason"):
        packages.unpack_python(tmp_path / "root", tmp_path / "work")


def test_wheels_that_do_not_come_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "run_tool", fake_tool([], fail="download"))
    match = "cannot download arm64 wheels: download failed; got its reason; expected numpy==2.4.6"
    with pytest.raises(EdgeError, match=match):
        packages.unpack_wheels(tmp_path, tmp_path, {"numpy": "2.4.6"}, python="3.11")


# The plugin


def fake_qemu(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "bin" / "qemu-aarch64"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")


@needs_cc
@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("echo \"unknown option 'plugin'\" >&2; exit 1", "got qemu-aarch64 failed; got unknown option 'plugin'"),
        ('touch "$6"', "got the plugin does not count; expected one number above 0"),
        ('echo 0 > "$6"', "got the plugin does not count; expected one number above 0; got 0"),
    ],
)
def test_a_qemu_that_cannot_count_is_an_error(
    script: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_qemu(tmp_path, script, monkeypatch)
    match = f"this QEMU cannot count instructions; expected a qemu-aarch64 with plugins; {match}.*next: use a machine"
    with pytest.raises(EdgeError, match=match):
        plugin.build_plugin(tmp_path / "count.so", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@needs_cc
def test_the_version_of_the_plugin_is_the_one_that_qemu_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = tmp_path / "tries"
    fake_qemu(tmp_path, f'echo try >> {count}; [ $(wc -l < {count}) = 3 ] || exit 1; echo 12 > "$6"', monkeypatch)
    plugin.build_plugin(tmp_path / "count.so", tmp_path)
    import ctypes

    content = (tmp_path / "count.so").read_bytes()
    assert content[:4] == b"\x7fELF"
    assert count.read_text() == "try\n" * 3
    with pytest.raises(OSError, match="qemu_plugin"):  # it needs QEMU's functions, and nothing but QEMU has them
        ctypes.CDLL(str(tmp_path / "count.so"), mode=os.RTLD_NOW)


@needs_cc
def test_a_plugin_that_does_not_compile_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("int broken(")
    monkeypatch.setattr(plugin, "SOURCE", broken)
    with pytest.raises(EdgeError, match=r"cc failed; got .*next: apt-get install qemu-user gcc"):
        plugin.build_plugin(tmp_path / "count.so", tmp_path)


# The sysroot


@pytest.fixture
def fake_build(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces everything of a build that needs the network or QEMU; lists what was called."""
    calls: list[str] = []

    def unpack_python(root: Path, work: Path) -> str:
        calls.append("python")
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/python3.11").touch()
        (root / "usr/bin/python3").symlink_to("python3.11")
        return "3.11"

    def unpack_wheels(site: Path, work: Path, versions: dict[str, str], *, python: str) -> None:
        calls.append(f"wheels for {python}")

    def build_plugin(target: Path, root: Path) -> None:
        calls.append("plugin")
        target.write_bytes(b"")

    monkeypatch.setattr(sysroot, "require_tools", lambda: None)
    monkeypatch.setattr(sysroot, "describe", lambda: STAMP)
    monkeypatch.setattr(sysroot, "unpack_python", unpack_python)
    monkeypatch.setattr(sysroot, "unpack_wheels", unpack_wheels)
    monkeypatch.setattr(sysroot, "build_plugin", build_plugin)
    return calls


def test_a_sysroot_is_built_once(fake_build: list[str], tmp_path: Path) -> None:
    stages = []
    first = sysroot.prepare(cache=tmp_path, progress=lambda stage, done, total: stages.append((done, total)))
    assert first == sysroot.prepare(cache=tmp_path)
    assert fake_build == ["python", "wheels for 3.11", "plugin"]
    assert stages == [(done, 4) for done in range(5)]
    assert first == Sysroot(tmp_path / sysroot.folder_name(STAMP), "3.11", {"numpy": "2.4.6"})
    assert [path.name for path in tmp_path.iterdir()] == [first.folder.name]
    assert json.loads((first.folder / "stamp.json").read_text()) == STAMP
    for board in BOARDS.values():
        assert (first.root(board) / "proc/cpuinfo").read_text() == cpuinfo(board)
        assert (first.root(board) / "usr/bin/python3").samefile(first.interpreter)


def test_a_build_that_fails_leaves_nothing(
    fake_build: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EdgeError("no network")

    monkeypatch.setattr(sysroot, "unpack_wheels", refuse)
    with pytest.raises(EdgeError, match="no network"):
        sysroot.prepare(cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_plugin_the_sysroot_says_why(
    fake_build: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise EdgeError("this QEMU cannot count")

    monkeypatch.setattr(sysroot, "build_plugin", refuse)
    built = sysroot.prepare(cache=tmp_path)
    assert built.cannot_count == sysroot.prepare(cache=tmp_path).cannot_count == "this QEMU cannot count"
    with pytest.raises(EdgeError, match="this QEMU cannot count"):
        run_python(built, PI5, ["-V"], count=True)


def test_half_a_sysroot_is_replaced_and_a_whole_one_stays(fake_build: list[str], tmp_path: Path) -> None:
    folder = tmp_path / sysroot.folder_name(STAMP)
    (folder / "root").mkdir(parents=True)
    (folder / "half").touch()
    sysroot.prepare(cache=tmp_path)
    assert not (folder / "half").exists()
    (folder / "whole").touch()
    late = tmp_path / "late"
    late.mkdir()
    sysroot._take_place(late, folder)  # another process was first
    assert (folder / "whole").exists()


def test_a_sysroot_that_cannot_take_its_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot write .*sysroot-1; got No such file"):
        sysroot._take_place(tmp_path / "absent", tmp_path / "sysroot-1")


def test_what_changes_the_sysroot_changes_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysroot, "run_tool", lambda command: "qemu-aarch64 version 7.2\nCopyright\n")
    stamp = sysroot.describe()
    assert stamp["qemu"] == "qemu-aarch64 version 7.2"
    assert set(stamp["wheels"]) >= {"numpy", "onnxruntime", "pillow"}
    names = {sysroot.folder_name({**stamp, field: "other"}) for field in stamp} | {sysroot.folder_name(stamp)}
    assert len(names) == len(stamp) + 1


def test_litert_may_be_missing_but_onnxruntime_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def only(*installed: str) -> Callable[[str], str]:
        def version(name: str) -> str:
            if name not in installed:
                raise PackageNotFoundError(name)
            return "1"

        return version

    monkeypatch.setattr(sysroot, "version", only("numpy", "onnxruntime", "pillow"))
    assert list(sysroot.installed_versions()) == ["numpy", "onnxruntime", "pillow"]
    monkeypatch.setattr(sysroot, "version", only("numpy"))
    with pytest.raises(EdgeError, match="onnxruntime is not installed; next: pip install onnxruntime"):
        sysroot.installed_versions()


# The emulator


@pytest.mark.parametrize(
    ("status", "stderr", "match"),
    [
        (-signal.SIGILL, "", "cannot run on Raspberry Pi 4; expected instructions of cortex-a72 with fp asimd.*SIGILL"),
        (-signal.SIGSEGV, "", "the program crashed on Raspberry Pi 4; got SIGSEGV"),
        (-99, "", "the program crashed on Raspberry Pi 4; got signal 99"),
        (1, "Traceback\nValueError: no\n", "the program failed on Raspberry Pi 4; got ValueError: no"),
        (3, "", "the program failed on Raspberry Pi 4; got exit code 3"),
    ],
)
def test_every_bad_end_has_its_line(status: int, stderr: str, match: str) -> None:
    with pytest.raises(EdgeError, match=match):
        explain_end(status, stderr, PI4)


def test_a_good_end_is_none() -> None:
    explain_end(0, "a warning", PI4)
    assert read_counts("") == ()


def test_a_program_that_hangs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr(emulator, "_TIMEOUT_S", 1)
    match = "the program hangs on Raspberry Pi 5; expected an end within 1 s; got none"
    with pytest.raises(EdgeError, match=match):
        run_python(Sysroot(tmp_path, "3.11", {}), PI5, ["-V"])


def test_without_qemu_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EdgeError, match="no qemu-aarch64 on this machine; next: apt-get install qemu-user gcc"):
        run_python(Sysroot(tmp_path, "3.11", {}), PI5, ["-V"])


def test_a_board_gets_its_own_root_and_no_environment_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, 'echo "$@"; pwd; env', monkeypatch)
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("PYTHONSTARTUP", "ours")
    done = run_python(Sysroot(tmp_path, "3.11", {}), PI5, ["-V"])
    command, folder, *environment = done.stdout.splitlines()
    assert command == f"-cpu cortex-a76 -L {tmp_path}/boards/pi5 {tmp_path}/root/usr/bin/python3 -V"
    assert not Path(folder).exists()
    assert "PYTHONHASHSEED=0" in environment
    assert not any(line.startswith(("LD_PRELOAD", "PYTHONSTARTUP")) for line in environment)
    assert done.counts is None
    assert list(tmp_path.glob("packages/*/fmnist_edge/runtime/runner.py"))


# The measurement


@pytest.mark.parametrize(
    ("stdout", "match"),
    [
        ("", "the program said nothing on Raspberry Pi 5; expected its labels as JSON; got ''"),
        ("[]", "the program said nothing on Raspberry Pi 5"),
        ('{"label": 1}', "the program said nothing on Raspberry Pi 5"),
        ('{"labels": [1]}', "the program ended early on Raspberry Pi 5; expected 2 labels; got 1"),
    ],
)
def test_labels_that_are_not_there_are_an_error(stdout: str, match: str) -> None:
    with pytest.raises(EdgeError, match=match):
        measure.read_labels(stdout, 2, PI5)


@pytest.mark.parametrize("counts", [(), (1, 2), tuple(range(10)), tuple(range(12))])
def test_a_count_that_is_missing_is_an_error(counts: tuple[int, ...]) -> None:
    with pytest.raises(EdgeError, match=f"QEMU did not count every image; expected 11 counts; got {len(counts)}"):
        measure.reduce_counts(counts, 5)


def test_one_image_that_costs_more_does_not_count() -> None:
    spent = [900, 50, 40, 30, 30, 999, 30]
    counts = [mark for position, cost in enumerate(spent) for mark in (1000 * position, 1000 * position + cost)]
    assert measure.reduce_counts([*counts, 9999], len(spent)) == (30, 900)


def test_one_other_label_is_no_match() -> None:
    result = BoardMeasurement("pi5", "a.onnx", 30, 900, images=10, same_labels=9)
    assert not result.labels_match
    assert result.as_json() == {
        "board": "pi5",
        "model": "a.onnx",
        "instructions_per_image": 30,
        "startup_instructions": 900,
        "images": 10,
        "same_labels": 9,
        "labels_match": False,
    }
    assert replace(result, same_labels=10).labels_match


def test_too_few_images_are_an_error(tmp_path: Path) -> None:
    images = np.zeros((measure.WARM_UP_IMAGES, 28, 28), np.uint8)
    with pytest.raises(EdgeError, match="too few images to count instructions; expected more than 3; got 3"):
        measure_boards([], images, [PI5], Sysroot(tmp_path, "3.11", {}))


def test_the_payload_answers_here_as_the_runner_does(
    int8_onnx: Path, test_split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = test_split.images[:IMAGES]
    np.save(tmp_path / "images.npy", images)
    assert payload.main([str(int8_onnx), str(tmp_path / "images.npy")]) == 0
    assert measure.read_labels(capsys.readouterr().out, IMAGES, PI5) == measure.host_labels(int8_onnx, images)


def test_the_payload_tells_an_expected_error_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "images.npy", np.zeros((1, 28, 28), np.uint8))
    assert payload.main([str(tmp_path / "absent.onnx"), str(tmp_path / "images.npy")]) == 2
    assert capsys.readouterr().err.startswith("no file at ")


# On the boards themselves


@pytest.fixture(scope="module")
def real() -> Sysroot:
    """The real sysroot, built on first use into the user's cache."""
    missing = tools.missing_tools()
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine; run: make system")
    return sysroot.prepare()


@pytest.mark.parametrize("name", BOARDS)
def test_int8_models_answer_on_every_board_as_here(
    name: str, real: Sysroot, int8_onnx: Path, int8_tflite: Path, test_split: Split
) -> None:
    board = find_board(name)
    results = measure_boards([int8_onnx, int8_tflite], test_split.images[:IMAGES], [board], real)
    assert [result.model for result in results] == [int8_onnx.name, int8_tflite.name]
    for result in results:
        assert result == replace(result, board=name, images=IMAGES, same_labels=IMAGES)
        assert result.labels_match
        if not real.cannot_count:
            assert result.instructions_per_image is not None
            assert result.startup_instructions is not None
            assert 100_000 < result.instructions_per_image < 5_000_000 < result.startup_instructions


def test_counts_repeat_and_dot_products_save_instructions(real: Sysroot, int8_tflite: Path, test_split: Split) -> None:
    if real.cannot_count:
        pytest.skip(real.cannot_count)
    images = test_split.images[:IMAGES]
    old, new, again = measure_boards([int8_tflite], images, [PI4, PI5, PI5], real)
    assert counted(new) == pytest.approx(counted(again), rel=0.01)
    assert counted(new) < 0.6 * counted(old)


def counted(result: BoardMeasurement) -> int:
    assert result.instructions_per_image is not None
    return result.instructions_per_image


def test_labels_alone_need_no_counting(real: Sysroot, int8_onnx: Path, test_split: Split) -> None:
    images = test_split.images[:IMAGES]
    with open_runner(int8_onnx) as runner:
        assert emulate(int8_onnx, images, PI5, real) == runner.infer(images).argmax(axis=1).tolist()


def test_the_board_sees_its_own_processor(real: Sysroot) -> None:
    script = "import os, platform; print(platform.machine(), open('/proc/cpuinfo').read().count('0xd0b'))"
    assert run_python(real, PI5, ["-c", script]).stdout.split() == ["aarch64", "4"]


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("raise ValueError('no')", "the program failed on Raspberry Pi 5; got ValueError: no"),
        ("import ctypes; ctypes.string_at(0)", "the program crashed on Raspberry Pi 5; got SIGSEGV"),
    ],
)
def test_a_program_that_ends_badly_on_a_board_is_one_line(script: str, match: str, real: Sysroot) -> None:
    with pytest.raises(EdgeError, match=match):
        run_python(real, PI5, ["-c", script])


def test_a_damaged_model_is_the_same_line_as_here(real: Sysroot, int8_onnx: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(int8_onnx.read_bytes()[:1000])
    with pytest.raises(EdgeError, match=r"the program failed on Raspberry Pi 5; got .*damaged\.onnx has no ModelCard"):
        emulate(damaged, np.zeros((1, 28, 28), np.uint8), PI5, real)


def test_instructions_that_a_board_has_not_are_named(real: Sysroot) -> None:
    """SDOT, the dot product, is on a Pi 5 and not on a Pi 4; memory with that one instruction is run."""
    script = (
        "import ctypes, mmap, struct\n"
        "code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "code.write(struct.pack('<II', 0x4E829420, 0xD65F03C0))  # sdot v0.4s, v1.16b, v2.16b; ret\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()\n"
        "print('done')\n"
    )
    assert run_python(real, PI5, ["-c", script]).stdout == "done\n"
    with pytest.raises(EdgeError, match=r"the program cannot run on Raspberry Pi 4; .*got an illegal instruction"):
        run_python(real, PI4, ["-c", script])
