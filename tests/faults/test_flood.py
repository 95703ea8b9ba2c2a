"""Pictures that arrive by the thousand while `watch` is killed again and again: each is answered once, and right.

``FMNIST_EDGE_FLOOD=10000`` drops so many.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmnist_edge.runtime import Classifier

from .conftest import long_run

COUNT = long_run("FMNIST_EDGE_FLOOD", 400)
KINDS = 16
PATIENCE_S, POLL_S = 900.0, 0.01


@pytest.fixture
def drop(tmp_path: Path) -> list[Path]:
    """Sixteen pictures, to be linked into a folder under many names, which takes no time."""
    pixels = np.random.default_rng(3).integers(0, 256, (KINDS, 28, 28), np.uint8)
    paths = [tmp_path / f"kind{number}.png" for number in range(KINDS)]
    for number, path in enumerate(paths):
        Image.fromarray(pixels[number] // (1 + number % 4)).save(path)
    return paths


def answered(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def watch_until(count: int, command: list[str], log: Path) -> None:
    """Run `watch` until so many answers are there, and kill it."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as watching:
        deadline_s = time.monotonic() + PATIENCE_S
        while answered(log) < count:
            assert watching.poll() is None, watching.stderr.read() if watching.stderr else ""
            assert time.monotonic() < deadline_s, f"{answered(log)} of {count} answers"
            time.sleep(POLL_S)
        watching.kill()


def test_of_a_flood_of_pictures_none_is_lost_and_none_is_repeated(
    tiny_exports: Path, drop: list[Path], tmp_path: Path
) -> None:
    folder, log, model = tmp_path / "arriving", tmp_path / "answers.jsonl", tiny_exports / "fmnist-tiny-int8.onnx"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:05}.png").hardlink_to(drop[number % KINDS])
    options = ["--model", str(model), "--every", "0.05", "--log", str(log), "--json"]
    command = [sys.executable, "-m", "fmnist_edge.cli", "watch", str(folder), *options]
    chance = random.Random(11)  # noqa: S311
    for until in sorted(chance.sample(range(1, COUNT), long_run("FMNIST_EDGE_FLOOD_KILLS", 2))):
        watch_until(until, command, log)
    watch_until(COUNT, command, log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert Counter(line["name"] for line in lines) == Counter(f"{number:05}.png" for number in range(COUNT))
    with Classifier(model) as classifier:
        expected = [classifier.predict(path) for path in drop]
    assert len({one.label for one in expected}) > 1
    for line in lines:
        answer = expected[int(line["name"][:5]) % KINDS]
        assert (line["label"], line["probability"]) == (answer.label, answer.probability)


def test_what_arrives_while_nobody_watches_is_answered_and_what_was_answered_stays(
    tiny_exports: Path, drop: list[Path], tmp_path: Path
) -> None:
    folder, log = tmp_path / "arriving", tmp_path / "answers.jsonl"
    folder.mkdir()
    options = ["--model", str(tiny_exports / "fmnist-tiny-int8.onnx"), "--every", "0.05", "--log", str(log)]
    command = [sys.executable, "-m", "fmnist_edge.cli", "watch", str(folder), *options]
    (folder / "bad.png").write_text("no picture")
    (folder / "a.png").hardlink_to(drop[0])
    watch_until(2, command, log)
    (folder / "b.png").hardlink_to(drop[1])
    (folder / "bad.png").write_text("no picture either")  # replaced, so told again
    watch_until(4, command, log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["name"], "error" in line) for line in lines] == [
        ("a.png", False),
        ("bad.png", True),
        ("b.png", False),
        ("bad.png", True),
    ]
