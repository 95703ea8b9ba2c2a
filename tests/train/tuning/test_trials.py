"""The front of made-up trials by hand, and what is written of them."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from fmnist_edge.benchmarks.tables import as_markdown
from fmnist_edge.train.options import TrainOptions, make_options
from fmnist_edge.train.tuning.objectives import Objective
from fmnist_edge.train.tuning.outcome import as_csv, as_json, as_toml, counts_line, front_table, write_outcome
from fmnist_edge.train.tuning.trials import DONE, FAILED, TrialRecord, front

ACCURACY, SIZE = Objective("accuracy"), Objective("size")
OPTIONS = TrainOptions(arch="search", learning_rate=1e-5, teacher=('a "b".keras',), arch_options={"width": 8})


def record(number: int, accuracy: float, size: float, **changes: Any) -> TrialRecord:
    fields = {
        "number": number,
        "state": DONE,
        "values": {"accuracy": accuracy, "size": size},
        "params": {"learning_rate": 1e-5, "arch_options.width": 8},
        "options": asdict(OPTIONS),
        "parameters": 1234,
        "seconds": 61.04,
        "folder": f"trial-{number:04d}",
        "error": "",
    }
    return TrialRecord(**{**fields, **changes})


TRIALS = [
    record(0, 0.80, 20_000.0),
    record(1, 0.90, 50_000.0),
    record(2, 0.79, 20_000.0),  # beaten by 0
    record(3, 0.85, 60_000.0),  # beaten by 1
    record(4, 0.70, 10_000.0),
    record(5, 0.90, 50_000.0),  # as good as 1, and later
    record(6, 0.0, 0.0, state=FAILED, values={}, options={}, parameters=None, seconds=None, folder="", error="no"),
]


def test_the_front_is_what_nothing_beats_in_everything() -> None:
    assert [entry.number for entry in front(TRIALS, (ACCURACY, SIZE))] == [1, 0, 4]
    assert [entry.number for entry in front(TRIALS, (SIZE, ACCURACY))] == [1, 0, 4]
    assert [entry.number for entry in front(TRIALS, (ACCURACY,))] == [1]
    assert front([], (ACCURACY,)) == []


def test_the_file_of_a_trial_trains_it_again(tmp_path: Path) -> None:
    text = as_toml(TRIALS[1], (ACCURACY, SIZE))
    assert text.startswith("# Trial 1: accuracy 90.00%, size 50.0 kB (validation split).\n")
    assert "limit" not in tomllib.loads(text)
    (tmp_path / "trial.toml").write_text(text)
    assert make_options({}, tmp_path / "trial.toml") == OPTIONS


def test_the_table_shows_values_and_shape() -> None:
    lines = as_markdown(front_table(TRIALS, (ACCURACY, SIZE))).splitlines()
    assert lines[0] == "| trial | accuracy |    size | parameters | width |"
    assert lines[2] == "| 1     |   90.00% | 50.0 kB |      1,234 |     8 |"
    assert len(lines) == 5
    recipe = [record(0, 0.5, 1.0, params={"flip": True, "erase": 0.123456})]
    assert front_table(recipe, (ACCURACY,)).header == ["trial", "accuracy", "parameters", "flip", "erase"]
    assert front_table(recipe, (ACCURACY,)).rows == [["0", "50.00%", "1,234", "yes", "0.123"]]


def test_everything_is_written_and_old_files_of_the_front_go(tmp_path: Path) -> None:
    (tmp_path / "front").mkdir()
    (tmp_path / "front" / "trial-0099.toml").touch()
    (tmp_path / "front" / "mine.toml").touch()
    written = write_outcome(TRIALS, (ACCURACY, SIZE), tmp_path)
    names = ["trial-0001.toml", "trial-0000.toml", "trial-0004.toml", "accuracy-size.png", "accuracy-trials.png"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "front").iterdir()) == ["mine.toml", *sorted(names[:3])]
    for path in written[3:]:
        with Image.open(path) as image:
            assert min(image.size) > 400
            colours = image.convert("RGB").getcolors(1 << 20) or []
        assert (0x0B, 0x7A, 0x86) in {colour for _, colour in colours}  # the front
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [row["front"] for row in rows] == ["yes", "yes", "", "", "yes", "", ""]
    assert (rows[6]["state"], rows[6]["error"], rows[6]["accuracy"]) == ("failed", "no", "")
    assert (rows[1]["accuracy"], rows[1]["seconds"], rows[1]["arch_options.width"]) == ("0.9", "61.0", "8")


def test_a_single_objective_is_drawn_over_the_parameters(tmp_path: Path) -> None:
    names = [path.name for path in write_outcome(TRIALS[:2], (ACCURACY,), tmp_path)]
    assert names == ["trial-0001.toml", "accuracy-parameters.png", "accuracy-trials.png"]


def test_without_a_finished_trial_there_are_no_pictures(tmp_path: Path) -> None:
    assert write_outcome(TRIALS[6:], (ACCURACY, SIZE), tmp_path) == []
    assert as_csv([], (ACCURACY,)).splitlines() == ["trial,state,front,accuracy,parameters,seconds,folder,error"]


def test_counts_and_json_tell_how_trials_ended(tmp_path: Path) -> None:
    assert counts_line(TRIALS) == "6 done, 1 failed"
    assert counts_line([]) == "no trials"
    found = as_json(TRIALS, (ACCURACY, SIZE), tmp_path)
    assert found["trials"] == {"done": 6, "failed": 1}
    assert [entry["trial"] for entry in found["front"]] == [1, 0, 4]
    assert found["front"][0]["config"] == str(tmp_path / "front" / "trial-0001.toml")
    assert (found["front"][0]["accuracy"], found["front"][0]["parameters"]) == (0.9, 1234)
