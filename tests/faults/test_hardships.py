"""A full disk, no rights, a folder that goes away, no memory: one clear line, nothing half-written, and a next try."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from .conftest import TRAIN
from .nursery import Nursery
from .wholeness import half_written, require_whole

EXPORT = ("export", "../trained", "--float16", "--out", "exports")
BENCHMARK = ("benchmark", "../models/fmnist-tiny-int8.onnx", "--rounds", "1")
FULL = r"cannot write .*; got (No space left on device|File too large).*; next: make room$"


@pytest.mark.parametrize("disk", ["small_disk", "small_files"])
@pytest.mark.parametrize(
    ("command", "size_bytes"),
    [(TRAIN, 16_000), (TRAIN, 110_000), (EXPORT, 5_000), (BENCHMARK, 30_000)],
    ids=["train: a checkpoint", "train: later", "export", "benchmark"],
)
def test_a_full_disk_is_one_line_and_leaves_whole_files(
    command: tuple[str, ...], size_bytes: int, disk: str, work: Path, nursery: Nursery
) -> None:
    folder, left = work / "here", work / "here.left"
    folder.mkdir()
    ended = nursery.run(folder, *command, hardship=(disk, folder, size_bytes))
    assert ended.code == 2, ended.err
    assert re.search(FULL, ended.one_line())
    require_whole(left)
    assert half_written(left) == []


def test_a_training_that_filled_the_disk_goes_on_when_there_is_room(work: Path, nursery: Nursery) -> None:
    folder, left = work / "here", work / "here.left"
    folder.mkdir()
    nursery.run(folder, *TRAIN, hardship=("small_files", folder, 110_000))
    assert (left / "run" / "checkpoint-0003.keras").exists()
    ended = nursery.run(left, "train", "--resume", "--out", "run")
    assert ended.code == 0, ended.err
    assert json.loads((left / "run" / "metrics.json").read_text())["training"]["epoch"] == 3


def test_an_answer_that_cannot_be_printed_is_one_line(work: Path) -> None:
    Image.new("L", (28, 28), 9).save(work / "a.png")
    for arguments in (("predict", "a.png", "--model", "models/fmnist-tiny-int8.onnx"), ("--version",)):
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "-m", "fmnist_edge.cli", *arguments]
            done = subprocess.run(command, cwd=work, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2
        assert re.fullmatch(r"fmnist-edge: the machine refused; got .*No space left on device; next: .*\n", done.stderr)


@pytest.mark.parametrize(
    "command",
    [
        TRAIN,
        EXPORT,
        BENCHMARK,
        ("watch", "../models", "--model", "../models/fmnist-tiny-int8.onnx", "--log", "answers.jsonl"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_may_only_be_read_is_one_line(command: tuple[str, ...], work: Path, nursery: Nursery) -> None:
    folder = work / "here"
    folder.mkdir()
    ended = nursery.run(folder, *command, hardship=("no_rights", folder))
    folder.chmod(0o700)
    assert ended.code == 2, ended.err
    assert re.search(r"cannot (make folder|write) .*; got Permission denied; next: choose", ended.one_line())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "folder"),
    [(TRAIN, "run"), (EXPORT, "exports"), (BENCHMARK, "report")],
    ids=["train", "export", "bench"],
)
def test_a_folder_that_is_deleted_in_the_middle_is_one_line(
    command: tuple[str, ...], folder: str, work: Path, nursery: Nursery
) -> None:
    here = work / "here"
    here.mkdir()
    ended = nursery.run(here, *command, hardship=("vanishing", here / folder))
    assert ended.code == 2, ended.err
    assert re.search("cannot write .*; got No such file or directory", ended.one_line())
    assert list(here.iterdir()) == []
    assert nursery.run(here, *command).code == 0


# --- no memory -------------------------------------------------------------------------------------------------------


def limited(work: Path, limit_bytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may reserve so many bytes of addresses, as under ``ulimit -v``."""
    command = [sys.executable, "-m", "fmnist_edge.cli", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))

    return subprocess.run(
        command, cwd=work, capture_output=True, text=True, check=False, preexec_fn=limit, env=environment
    )


def test_predict_without_memory_is_one_line_or_the_right_answer(work: Path) -> None:
    Image.new("L", (28, 28), 9).save(work / "a.png")
    arguments = ("predict", "a.png", "--model", "models/fmnist-tiny-int8.onnx", "--backend", "onnxruntime")
    enough = limited(work, 2**40, *arguments)
    assert enough.returncode == 0
    codes, lines = set(), set()
    for megabytes in [*range(40, 150, 20), *range(150, 180, 5), 220]:  # onnxruntime crashed between 150 and 170
        done = limited(work, megabytes * 10**6, *arguments)
        codes.add(done.returncode)
        if done.returncode == 0:
            assert (done.stdout, done.stderr) == (enough.stdout, "")
        else:
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert done.returncode in {1, 2}  # 1 is OpenBLAS's own word
            lines.add(done.stderr.partition(";")[0])
    assert codes >= {0, 2}
    assert lines >= {f"fmnist-edge: not enough memory for {library}" for library in ("NumPy", "onnxruntime")}


@pytest.mark.parametrize(("command", "code"), [(("--help",), 0), (("predict", "--help"), 0), (("doctor",), 1)])
def test_help_and_the_doctor_do_without_numpy_and_so_without_its_memory(
    command: tuple[str, ...], code: int, work: Path
) -> None:
    done = limited(work, 80 * 10**6, *command)
    assert (done.returncode, done.stderr) == (code, "")
    assert len(done.stdout.splitlines()) > 10


@pytest.mark.parametrize("command", [("predict", "a.png"), ("data",), ("inspect", "compact")], ids=" ".join)
def test_nothing_else_is_begun_without_memory_for_numpy(command: tuple[str, ...], work: Path) -> None:
    done = limited(work, 80 * 10**6, *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"fmnist-edge: not enough memory for NumPy; .*; next: raise ulimit -v\n", done.stderr)


@pytest.mark.parametrize("megabytes", [600, 2_200])
@pytest.mark.parametrize("command", [TRAIN, ("export", "trained")], ids=["train", "export"])
def test_tensorflow_is_not_begun_where_it_would_abort(command: tuple[str, ...], megabytes: int, work: Path) -> None:
    done = limited(work, megabytes * 10**6, *command)
    assert done.returncode == 2
    expected = r"expected 3,000 MB of addresses; got [\d,]+ MB; next: raise ulimit -v"
    assert re.fullmatch(rf"fmnist-edge: not enough memory for TensorFlow; {expected}\n", done.stderr)
    assert not (work / "run").exists()
