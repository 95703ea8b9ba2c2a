"""The quick way of `predict` reads a line as Typer would, or leaves it to Typer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.commands import predict as command
from fmnist_edge.commands.app import make_app
from fmnist_edge.commands.quick import KINDS, RUNTIMES, plain_predict

LINES = [
    "a.png",
    "a.png b.png photos/ *.jpg",
    "-",
    "--model m.onnx a.png",
    "a.png --top 3 --json",
    "--csv a.png --threads 2 b.png",
    "a.png --as photo --show sheet.png",
    "a.png --backend litert --as dataset",
    "a.png --top 1 --top 2",
    "--json --json a.png",
    "a.png --threads 0",
    "a.png --allow-unverified",
    "--require-signature maker.pub a.png",
]
LEFT = [
    "",
    "--help",
    "a.png --help",
    "--json",
    "a.png --top",
    "a.png --top 0",
    "a.png --top x",
    "a.png --top ³",
    "a.png --top -1",
    "a.png --as painting",
    "a.png --backend tvm",
    "a.png --threads x",
    "a.png --model --json",
    "a.png --nonsense",
    "a.png --top=3",
    "a.png -x",
    "-- -a.png",
]


@pytest.mark.parametrize("line", LINES)
def test_it_reads_as_typer_does(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[dict[str, Any]] = []

    def note(images: list[str], **options: Any) -> int:
        called.append({"images": images, **options})
        return 0

    monkeypatch.setattr(command, "predict_pictures", note)
    arguments = ["predict", *line.split()]
    with pytest.raises(SystemExit) as ended:
        make_app(str)(arguments)
    assert ended.value.code in {0, None}
    (by_typer,) = called
    quick = plain_predict(arguments)
    assert quick is not None
    defaults = {
        "model": None,
        "top": 1,
        "kind": "auto",
        "show": None,
        "backend": "auto",
        "threads": 1,
        "allow_unverified": False,
        "require_signature": None,
        "as_json": False,
        "as_csv": False,
    }
    assert by_typer == defaults | quick


@pytest.mark.parametrize("line", LEFT)
def test_what_is_not_plain_is_left_to_typer(line: str) -> None:
    assert plain_predict(["predict", *line.split()]) is None


def test_other_commands_are_left_to_typer() -> None:
    assert plain_predict([]) is plain_predict(["watch", "a"]) is plain_predict(["--version"]) is None


def test_the_names_are_those_of_the_command() -> None:
    assert [kind.value for kind in command.As] == list(KINDS)
    assert [runtime.value for runtime in command.Runtime] == list(RUNTIMES)


def test_a_reader_that_goes_away_is_no_error_to_tell_of(int8_onnx: Path, png: Path) -> None:
    arguments = ["predict", *[str(png)] * 3, "--model", str(int8_onnx)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "fmnist_edge.cli", *arguments], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
