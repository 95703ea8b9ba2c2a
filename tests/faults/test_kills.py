"""Commands that are killed with SIGKILL at any moment: no partial file, no lost run, and the next try succeeds.

``FMNIST_EDGE_KILLS=200`` kills so often; a command is one row of the table.
"""

from __future__ import annotations

import contextlib
import csv
import json
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmnist_edge.runtime import open_runner

from .conftest import TRAIN, long_run
from .nursery import KILLED, Ended, Moment, Nursery
from .wholeness import half_written, require_whole

KILLS = long_run("FMNIST_EDGE_KILLS", 9)
SEED = long_run("FMNIST_EDGE_SEED", 7)
A_CHAIN = 8
"""A command is killed so often before it may end."""
SOON_S = 0.01
"""A kill comes up to so long after an event, so that it falls into what is written."""

Arguments = tuple[object, ...]


def first_try(row: Row, folder: Path) -> Arguments:
    return row.begin


def resumed(row: Row, folder: Path) -> Arguments:
    begun = (folder / "run" / "config.json").exists()
    return ("train", "--resume", "--out", "run") if begun else row.begin


def forced(row: Row, folder: Path) -> Arguments:
    return (*row.begin, "--force")


def training(folder: Path) -> Any:
    """Return what a training came to, without the seconds that it took."""
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    del metrics["training"]["seconds"]
    return metrics, sorted(path.name for path in (folder / "run").iterdir()), (folder / "latest").readlink()


def exported(folder: Path) -> Any:
    """Return what the exported files say to a hundred images; the bytes of an ONNX file hold names that are counted."""
    images = np.random.default_rng(7).integers(0, 256, (100, 28, 28), np.uint8)
    said = {}
    for path in (folder / "exports").iterdir():
        with open_runner(path) as runner:
            said[path.name] = runner.infer(images).tolist()
    return said


def benchmarked(folder: Path) -> Any:
    report = json.loads((folder / "report" / "report.json").read_text())
    right = [model["confusion_matrix"] for model in report["models"]]
    return right, sorted(path.name for path in (folder / "report").iterdir())


def joined(row: Row, folder: Path) -> Arguments:
    """Note the trials that are finished: none of them may be lost."""
    _note(folder).write_text(json.dumps(finished(folder)))
    return row.begin


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-finished.json")


def finished(folder: Path) -> dict[str, list[float]]:
    """Return the values of the finished trials by their numbers, as the database holds them."""
    path = folder / "search" / "study.db"
    if not path.exists():
        return {}
    select = """SELECT trials.number, trial_values.value FROM trials JOIN trial_values USING (trial_id)
        WHERE trials.state = 'COMPLETE' ORDER BY trials.number, trial_values.objective"""
    values: dict[str, list[float]] = {}
    with contextlib.closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trial_values'").fetchall():
            return {}
        for number, value in database.execute(select):
            values.setdefault(str(number), []).append(value)
    return values


def searched(folder: Path) -> Any:
    """Return what a search came to, whatever trials were killed three times and so given up."""
    found, note, out = finished(folder), _note(folder), folder / "search"
    before = json.loads(note.read_text()) if note.exists() else {}
    assert before.items() <= found.items()
    with (out / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    done = [row for row in rows if row["state"] == "done"]
    assert {row["trial"]: [float(row["accuracy"]), float(row["parameters"])] for row in done} == found
    assert all((out / row["folder"] / "model.keras").exists() for row in done)
    best = sorted(f"trial-{int(row['trial']):04d}.toml" for row in rows if row["front"])
    assert best
    assert best == sorted(path.name for path in (out / "front").iterdir())
    ended = sum(row["state"] in {"done", "failed"} for row in rows)
    return ended, sorted(path.name for path in out.iterdir() if path.suffix == ".png")


@dataclass(frozen=True)
class Row:
    """One command.

    Attributes:
        name: of the command.
        begin: its first try.
        again: what is typed after a kill.
        result: what it comes to, which no kill may change.
    """

    name: str
    begin: Arguments
    again: Callable[[Row, Path], Arguments]
    result: Callable[[Path], Any]


TUNE = ("tune", "--space", "../space.toml", "--objectives", "accuracy,parameters", "--trials", "3", "--out", "search")
"""Of three trials, a chain of kills leaves one at least: a trial is given up when it was killed three times."""
TABLE = (
    Row("train", TRAIN, resumed, training),
    Row("export", ("export", "../trained", "--float16", "--dynamic", "--out", "exports"), forced, exported),
    Row("benchmark", ("benchmark", "../models/fmnist-tiny-int8.onnx", "--rounds", "1"), first_try, benchmarked),
    Row("tune", TUNE, joined, searched),
)


def draw(chance: random.Random, unbroken: Ended) -> Moment:
    """Draw a moment of a command: any, or one shortly after something was done to a file."""
    if chance.random() < 0.5:
        return Moment(chance.uniform(0, unbroken.seconds))
    return Moment(chance.uniform(0, SOON_S), chance.randint(1, unbroken.events))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_kill_at_any_moment_leaves_whole_files_and_the_next_try_succeeds(
    row: Row, work: Path, nursery: Nursery
) -> None:
    chance = random.Random(f"{row.name} {SEED}")  # noqa: S311
    reference = work / "unbroken"
    reference.mkdir()
    unbroken = nursery.run(reference, *row.begin)
    assert unbroken.code == 0, unbroken.err
    expected = row.result(reference)
    kills, chains, left = 0, 0, 0
    while kills < -(-KILLS // len(TABLE)):
        folder = work / f"chain{chains}"
        folder.mkdir()
        arguments = row.begin
        for _ in range(min(A_CHAIN, -(-KILLS // len(TABLE)) - kills)):
            ended = nursery.run(folder, *arguments, moment=draw(chance, unbroken))
            if ended.code != KILLED:  # it was quicker than the moment, and is done
                break
            kills += 1
            left += len(half_written(folder))
            require_whole(folder)
            arguments = row.again(row, folder)
        else:
            ended = nursery.run(folder, *arguments)
        finished = "is finished" in ended.err  # the kill came after the last thing that was to do
        assert ended.code == 0 or (finished and row.again is resumed), ended.err
        require_whole(folder)
        assert half_written(folder) == []
        assert row.result(folder) == expected
        chains += 1
        print(f"{row.name}: {kills} kills in {chains} chains left {left} half-written files", flush=True)  # noqa: T201
