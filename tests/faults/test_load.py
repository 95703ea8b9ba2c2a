"""Many at once: threads that share one classifier, and processes, each right, none stuck, and no memory lost.

``FMNIST_EDGE_PREDICTIONS=100000`` is how many predictions each thread and each process makes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import long_run

PREDICTIONS = long_run("FMNIST_EDGE_PREDICTIONS", 4_000)
MANY = 8
PATIENCE_S = 3_600
GROWTH_MIB = 8.0
"""What resident memory may grow by in the second half of the predictions; one lost answer each would be far more."""

Load = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def load() -> Load:
    """Return what lets `processes` processes of `threads` threads predict, and returns what each process found."""

    def begin(model: Path, *, processes: int, threads: int) -> list[dict[str, Any]]:
        command = [sys.executable, str(Path(__file__).with_name("predictions.py")), str(model)]
        running = [
            subprocess.Popen([*command, str(threads), str(PREDICTIONS)], stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        return [json.loads(one.communicate(timeout=PATIENCE_S)[0]) for one in running]

    return begin


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
@pytest.mark.parametrize(("processes", "threads"), [(1, MANY), (MANY, 1)], ids=["threads", "processes"])
def test_predictions_of_many_at_once_are_those_of_one(
    suffix: str, processes: int, threads: int, tiny_exports: Path, load: Load
) -> None:
    found = load(tiny_exports / f"fmnist-tiny-int8.{suffix}", processes=processes, threads=threads)
    print(suffix, found)  # noqa: T201
    assert len(found) == processes
    for one in found:
        assert one["predictions"] == PREDICTIONS * threads
        assert one["labels"] > 1  # a network that says one thing to everything would hide a mistake
        assert one["wrong"] == 0
        assert one["grown_mib"] < GROWTH_MIB
