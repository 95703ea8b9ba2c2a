"""The guided engine runs on every reader, a short while and always the same way; and it finds what is planted."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..test_docs import commands_of
from .targets import TARGETS

ROOT = Path(__file__).parents[2]
RUNS = {"idx": 2_000, "config": 2_000, "onnx": 2_000, "tflite": 2_000, "report": 1_000, "picture": 400, "photo": 30}
SMALL_PARENT = ["sh", "-c", '"$@"; exit $?', "sh"]
"""Linux begins a process's peak of memory with that of its parent, which is large in the middle of all the tests."""
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris has wheels for x86-64 Linux alone; hypothesis tries the same readers everywhere",
)


@needs_atheris
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_breaks_no_promise(name: str, tmp_path: Path) -> None:
    command = [*SMALL_PARENT, sys.executable, "-m", "tests.fuzz.guided", name, f"-runs={RUNS[name]}", "-seed=1"]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    (said,) = re.findall(
        rf"^{name}: ([\d,]+) executions .*, ([\d,]+) accepted, at most (\d+) MiB$", done.stdout, re.MULTILINE
    )
    executions, accepted, mebibytes = (int(number.replace(",", "")) for number in said)
    assert executions == RUNS[name]
    assert 0 < accepted <= executions
    assert mebibytes < 512


PLANTED = """
import dataclasses, sys
from tests.fuzz import guided, targets
def read(data):
    payload = targets.read_payload(targets._file(data, ".idx"))
    if payload[3:4] == b"\\x02": raise KeyError("planted")
    targets.parse_idx(payload, name="it")
guided.TARGETS = {"idx": dataclasses.replace(targets.TARGETS["idx"], read=read)}
guided.main()
"""


@needs_atheris
def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    command = [
        *SMALL_PARENT,
        sys.executable,
        "-c",
        PLANTED,
        "idx",
        "-runs=20000",
        "-seed=1",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode != 0
    assert "KeyError: 'planted'" in done.stdout + done.stderr
    assert list(tmp_path.glob("crash-*"))


@needs_atheris
def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    assert commands_of(ROOT / "docs" / "fuzzing.md") == ["make fuzz", "make fuzz READERS=picture RUNS=1000"]
    command = ["make", "fuzz", "READY=", f"VENV={sys.prefix}", f"KEPT={tmp_path}", "READERS=idx config", "RUNS=300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    for reader in ("idx", "config"):
        assert f"{reader}: 300 executions" in done.stdout
        assert list((tmp_path / reader).iterdir())
