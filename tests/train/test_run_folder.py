"""The run folder: what a finished run holds, and how runs are found, continued and refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.locks import FolderLock
from fmnist_edge.dataset import LABELS, load_split
from fmnist_edge.dataset.sources import DATASET_SHA256
from fmnist_edge.train.keras_model import KerasRunner
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.run_folder import (
    EpochRecord,
    RunFolder,
    find_model,
    new_run_path,
    unfinished_run,
)

COLUMNS = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, loss=1 / 3, accuracy=0.5, val_loss=0.1, val_accuracy=1.0, seconds=1.25)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that was begun and not finished."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text('{"options": {}}')
    return run


# --- what a finished run holds --------------------------------------------------------------------------------------


def test_a_finished_run_holds_exactly_the_promised_files(compact_run: Path) -> None:
    assert sorted(path.name for path in compact_run.iterdir()) == [
        "config.json",
        "confusion_matrix.png",
        "history.csv",
        "metrics.json",
        "misclassified.png",
        "model.keras",
        "training.png",
    ]


def test_latest_points_to_the_run(compact_run: Path) -> None:
    latest = compact_run.parent / "latest"
    assert latest.is_symlink()
    assert latest.resolve() == compact_run.resolve()


def test_the_model_is_saved_without_its_optimizer(compact_run: Path) -> None:
    model = keras.models.load_model(compact_run / "model.keras")
    assert getattr(model, "optimizer", None) is None
    assert not model.compiled
    assert (compact_run / "model.keras").stat().st_size < 600_000


def test_the_history_has_a_row_an_epoch(compact_run: Path) -> None:
    with (compact_run / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == COLUMNS
    assert [row[0] for row in rows[1:]] == ["1", "2"]
    numbers = np.array(rows[1:], float)
    assert (numbers[:, [1, 3, 5]] > 0).all()
    assert ((numbers[:, [2, 4]] > 0) & (numbers[:, [2, 4]] < 1)).all()


def test_the_metrics_agree_with_their_confusion_matrix(compact_run: Path) -> None:
    metrics = json.loads((compact_run / "metrics.json").read_text())
    validation = metrics["validation"]
    matrix = np.array(validation["confusion_matrix"])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == validation["n"] == 5_000
    assert matrix.sum(axis=1).tolist() == [500] * 10
    assert [scores["label"] for scores in validation["per_class"]] == list(LABELS)
    for index, scores in enumerate(validation["per_class"]):
        assert scores["tp"] == matrix[index, index]
        assert scores["fn"] == matrix[index].sum() - matrix[index, index]
        assert scores["fp"] == matrix[:, index].sum() - matrix[index, index]
        assert scores["tp"] + scores["fp"] + scores["tn"] + scores["fn"] == 5_000
    assert validation["accuracy"] == pytest.approx(np.trace(matrix) / 5_000)
    low, high = validation["accuracy_ci95"]
    assert low < validation["accuracy"] < high


def test_the_metrics_are_those_of_the_saved_model(compact_run: Path) -> None:
    metrics = json.loads((compact_run / "metrics.json").read_text())
    validation = load_split("validation")
    with KerasRunner.open(compact_run / "model.keras") as runner:
        accuracy = float((runner.infer(validation.images).argmax(axis=1) == validation.labels).mean())
    assert metrics["validation"]["accuracy"] == pytest.approx(accuracy, abs=2e-4)
    assert metrics["training"]["val_accuracy"] == pytest.approx(accuracy, abs=2e-4)
    assert metrics["parameters"] == keras.models.load_model(compact_run / "model.keras").count_params()
    assert metrics["training"]["epoch"] == 2


def test_the_configuration_tells_all_that_decided_the_result(compact_run: Path) -> None:
    config = json.loads((compact_run / "config.json").read_text())
    assert TrainOptions(**config["options"]) == TrainOptions(arch="compact", epochs=2, batch_size=64, limit=4_000)
    assert set(config["options"]) == set(TrainOptions.__dataclass_fields__)
    assert set(config["versions"]) == {"python", "tensorflow", "keras", "numpy", "fmnist-edge"}
    assert config["versions"]["numpy"] == np.__version__
    validation = load_split("validation")
    assert config["dataset"] == {
        "sha256": DATASET_SHA256,
        "train": {"n": 4_000, "sha256": load_split("train").first(4_000).sha256},
        "validation": {"n": 5_000, "sha256": validation.sha256},
    }


@pytest.mark.parametrize("name", ["training.png", "confusion_matrix.png", "misclassified.png"])
def test_the_pictures_are_real_pngs_of_sensible_size(name: str, compact_run: Path) -> None:
    with Image.open(compact_run / name) as image:
        assert image.format == "PNG"
        assert 800 <= image.width <= 4_000
        assert 300 <= image.height <= 4_000
        colours = np.unique(np.asarray(image.convert("L")))
    assert len(colours) > 50


# --- finding runs and models ------------------------------------------------------------------------------------------


def test_a_model_is_found_in_its_run_under_latest_or_by_its_own_name(
    compact_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_model(compact_run) == compact_run / "model.keras"
    assert find_model(compact_run / "model.keras") == compact_run / "model.keras"
    (tmp_path / "runs").symlink_to(compact_run.parent)
    monkeypatch.chdir(tmp_path)
    assert find_model(None).samefile(compact_run / "model.keras")


def test_a_folder_without_a_run_has_no_model(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no trained model in .*; expected a model.keras; got none; .*train$"):
        find_model(tmp_path)


def test_an_unfinished_run_has_no_model_and_can_be_resumed(folder: RunFolder) -> None:
    with pytest.raises(EdgeError, match=r"no trained model in .*run: fmnist-edge train --resume --out .*run$"):
        find_model(folder.path)


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no model at .*x.keras; expected a .keras file or a run folder; .*check the"):
        find_model(tmp_path / "x.keras")


def test_without_any_run_the_next_step_is_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EdgeError, match=r"no model at runs/latest; .*next: run: fmnist-edge train"):
        find_model(None)


@pytest.mark.parametrize("make_runs", [True, False])
def test_without_an_unfinished_run_there_is_nothing_to_resume(make_runs: bool, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    if make_runs:
        finished = runs / "finished"
        finished.mkdir(parents=True)
        (finished / "config.json").touch()
        (finished / "model.keras").touch()
        (runs / "empty").mkdir()
    with pytest.raises(EdgeError, match=r"nothing to resume in .*runs; expected a run that was begun and not finished"):
        unfinished_run(runs)


@pytest.fixture
def three_runs(tmp_path: Path) -> Path:
    """A folder with two runs that were begun and one that is finished, to which `latest` points."""
    for name in ("first", "second", "finished"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    (tmp_path / "finished" / "model.keras").touch()
    (tmp_path / "latest").symlink_to("finished")
    return tmp_path


def test_of_several_unfinished_runs_the_user_names_one_whatever_the_clock_said(three_runs: Path) -> None:
    os.utime(three_runs / "first" / "config.json", (4_000_000_000, 4_000_000_000))  # the clock was set back after it
    match = "cannot tell what to resume in .*; got .*/first, .*/second; next: name one, as --resume --out .*/second"
    with pytest.raises(EdgeError, match=match):
        unfinished_run(three_runs)


def test_a_run_that_is_being_trained_is_not_resumed(three_runs: Path) -> None:
    with FolderLock(three_runs / "second", purpose="training"):
        assert unfinished_run(three_runs) == RunFolder(three_runs / "first")
        with (
            FolderLock(three_runs / "first", purpose="training"),
            pytest.raises(EdgeError, match=r"nothing to resume in .*; got 2 that are being trained"),
        ):
            unfinished_run(three_runs)


def test_a_run_that_was_killed_before_its_checkpoints_were_cleared_is_settled(three_runs: Path) -> None:
    shutil.rmtree(three_runs / "first")
    shutil.rmtree(three_runs / "second")
    (three_runs / "latest").unlink()
    run = RunFolder(three_runs / "finished")
    for name in ("checkpoint-0002.keras", "best.keras", ".model.0123abcd.part.keras"):
        (run.path / name).touch()
    assert unfinished_run(three_runs) == run
    run.settle()
    assert run.is_settled()
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "model.keras"]
    assert (three_runs / "latest").readlink() == Path("finished")


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "20260131-235959")  # a clock that is set back says it again
    names = []
    for _ in range(3):
        path = new_run_path("seed", tmp_path)
        path.mkdir()
        names.append(path.name)
    assert names == ["seed-20260131-235959", "seed-20260131-235959-2", "seed-20260131-235959-3"]


def test_a_new_run_is_named_by_architecture_and_time() -> None:
    path = new_run_path("seed")
    assert path.parent == Path("runs")
    assert path.name[:5] == "seed-"
    assert len(path.name) == len("seed-20260131-235959")


@pytest.mark.parametrize("name", ["run", "."])
def test_latest_stands_beside_the_run_however_the_run_is_named(
    name: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path.parent if name == "run" else folder.path)
    RunFolder(Path(name)).make_latest()
    assert (folder.path.parent / "latest").readlink() == Path("run")


def test_a_run_that_is_itself_called_latest_needs_no_link(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    RunFolder(tmp_path / "latest").make_latest()
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]
    assert not (tmp_path / "latest").is_symlink()


# --- history, configuration, checkpoints ------------------------------------------------------------------------------


def test_a_history_is_read_back_as_it_was_written(folder: RunFolder) -> None:
    assert folder.read_history() == []
    folder.write_history([record(1), record(2)])
    assert folder.history.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert folder.read_history() == [record(1), record(2)]


def test_a_history_of_any_length_is_not_read(folder: RunFolder) -> None:
    folder.write_history([record(1)])
    with folder.history.open("ab") as stream:
        stream.truncate((8 << 20) + 1)
    with pytest.raises(EdgeError, match=r"cannot read .*history.csv; expected at most 8,388,608 bytes; got more"):
        folder.read_history()


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"epoch,loss\n1,2\n", "'accuracy'"),
        (b"epoch,loss,accuracy,val_loss,val_accuracy,seconds\none,1,1,1,1,1\n", "invalid literal for int"),
        (b"epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,x,1,1,1,1\n", "could not convert"),
        (b"epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,1\n", "must be a string or a real number"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_a_damaged_history_is_refused(content: bytes, got: str, folder: RunFolder) -> None:
    folder.history.write_bytes(content)
    with pytest.raises(EdgeError, match=f"cannot read .*history.csv; expected epoch,loss,accuracy.*{got}"):
        folder.read_history()


def test_a_folder_without_a_configuration_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no training run in .*; expected a config.json; got none; .*edge train"):
        RunFolder(tmp_path).read_config()


@pytest.mark.parametrize("content", [[], {}, {"options": None}, {"options": []}])
def test_a_configuration_without_options_is_refused(content: Any, folder: RunFolder) -> None:
    folder.config.write_text(json.dumps(content))
    with pytest.raises(EdgeError, match=r"cannot read .*config.json; expected an object with options"):
        folder.read_config()


def test_a_configuration_that_is_no_json_is_refused(folder: RunFolder) -> None:
    folder.config.write_text("{")
    with pytest.raises(EdgeError, match=r"cannot read .*config.json; expected a JSON file"):
        folder.read_config()


def saving(text: str) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        path.write_text(text)

    return save


def test_a_checkpoint_replaces_the_one_before(folder: RunFolder) -> None:
    assert folder.newest_checkpoint() is None
    folder.save_checkpoint(saving("one"), [record(1)])
    folder.save_checkpoint(saving("two"), [record(1), record(2)])
    assert folder.newest_checkpoint() == (folder.path / "checkpoint-0002.keras", 2)
    assert not (folder.path / "checkpoint-0001.keras").exists()
    assert len(folder.read_history()) == 2


def test_a_checkpoint_that_fails_leaves_the_one_before(folder: RunFolder) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    folder.save_checkpoint(saving("one"), [record(1)])
    with pytest.raises(KeyboardInterrupt):
        folder.save_checkpoint(fail, [record(1), record(2)])
    assert folder.newest_checkpoint() == (folder.path / "checkpoint-0001.keras", 1)
    assert (folder.path / "checkpoint-0001.keras").read_text() == "one"
    assert not [path.name for path in folder.path.iterdir() if ".part" in path.name]


def test_clearing_deletes_checkpoints_and_half_written_files_and_nothing_else(folder: RunFolder) -> None:
    ours = ["checkpoint-0001.keras", ".checkpoint-0002.0123abcd.part.keras", ".config.0123abcd.part.json"]
    others = ["holiday.part1.rar", "checkpoint-1.keras", "my.partner.txt", ".hidden.part"]
    for name in ours + others:
        (folder.path / name).touch()
    folder.clear_checkpoints()
    assert sorted(path.name for path in folder.path.iterdir()) == sorted([*others, "config.json"])


@pytest.mark.parametrize(("config", "model"), [(False, False), (True, False), (True, True)])
def test_a_run_is_begun_with_its_configuration_and_finished_with_its_model(
    config: bool, model: bool, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    for present, path in ((config, run.config), (model, run.model)):
        if present:
            path.touch()
    assert (run.is_started(), run.is_finished()) == (config, model)
