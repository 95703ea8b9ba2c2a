"""The training loop: repeatable, resumable to the bit, unharmed by a kill, and blind to the test images."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from fmnist_edge.common.box import in_the_box
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import splits
from fmnist_edge.dataset.sources import TEST_IMAGES, TEST_LABELS, DataFile
from fmnist_edge.train import trainer
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.run_folder import EpochRecord, RunFolder

from .small import SMALL

OPTIONS = TrainOptions(arch=SMALL, epochs=2, limit=500, batch_size=64, seed=3)
EVERYTHING = TrainOptions(
    arch=SMALL,
    epochs=3,
    limit=500,
    batch_size=64,
    optimizer="sgd",
    learning_rate=0.1,
    schedule="one-cycle",
    warmup=0.3,
    weight_decay=0.002,
    label_smoothing=0.05,
    weight_average=0.9,
    patience=3,
    shift=2,
    flip=True,
    rotate=5.0,
    erase=0.25,
    mixup=0.2,
)
KILLED_EPOCHS = 6
POLL_S, PATIENCE_S = 0.01, 180.0

TRAINING_TO_KILL = f"""
import sys
from pathlib import Path
from fmnist_edge.train import require_tensorflow
require_tensorflow()
from fmnist_edge.train import trainer
from fmnist_edge.train.options import TrainOptions
options = TrainOptions(arch="{SMALL}", epochs={KILLED_EPOCHS}, limit=1_500, batch_size=64)
trainer.start(options, Path(sys.argv[1]))
"""


def quiet(line: str) -> None:
    """Report nothing."""


def weights(run: Path) -> list[npt.NDArray[np.float32]]:
    values: list[npt.NDArray[np.float32]] = keras.models.load_model(run / "model.keras").get_weights()
    return values


def same_weights(left: Path, right: Path) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(left), weights(right), strict=True))


def timeless_history(run: Path) -> list[EpochRecord]:
    return [replace(record, seconds=0.0) for record in RunFolder(run).read_history()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `OPTIONS` from beginning to end."""
    path = tmp_path_factory.mktemp("unbroken") / "run"
    trainer.start(OPTIONS, path, report=quiet)
    return path


def test_the_same_seed_gives_the_same_model(unbroken: Path, tmp_path: Path) -> None:
    trainer.start(OPTIONS, tmp_path / "again", report=quiet)
    assert same_weights(unbroken, tmp_path / "again")
    assert timeless_history(unbroken) == timeless_history(tmp_path / "again")


def test_an_interrupted_run_resumes_to_the_same_model(unbroken: Path, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        trainer.start(OPTIONS, run, report=interrupt)
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint-0001.keras", "config.json", "history.csv"]
    assert not (tmp_path / "latest").exists()
    trainer.resume(run, report=quiet)
    assert same_weights(unbroken, run)
    assert timeless_history(unbroken) == timeless_history(run)
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in unbroken.iterdir())


def test_another_seed_gives_another_model_and_only_training_files_are_read(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[DataFile] = set()
    load_payload = splits.load_payload

    def record(folder: Path, file: DataFile) -> bytes:
        read.add(file)
        return load_payload(folder, file)

    monkeypatch.setattr(splits, "load_payload", record)
    lines: list[str] = []
    stages: list[tuple[str, int, int]] = []
    trainer.start(
        replace(OPTIONS, seed=4, epochs=1),
        tmp_path / "other",
        report=lines.append,
        progress=lambda *step: stages.append(step),
    )
    assert read
    assert not read & {TEST_IMAGES, TEST_LABELS}
    assert weights(tmp_path / "other")[0].tolist() != weights(unbroken)[0].tolist()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/1"]
    assert stages[0] == ("epoch 1/1", 0, 8)
    assert stages[-1] == ("epoch 1/1", 8, 8)


def test_with_everything_on_an_interrupted_run_resumes_to_the_same_model(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    trainer.start(EVERYTHING, tmp_path / "unbroken", report=quiet)
    with pytest.raises(KeyboardInterrupt):
        trainer.start(EVERYTHING, tmp_path / "broken", report=interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer.resume(tmp_path / "broken", report=interrupt)
    assert "checkpoint-0002.keras" in {path.name for path in (tmp_path / "broken").iterdir()}
    trainer.resume(tmp_path / "broken", report=quiet)
    assert same_weights(tmp_path / "unbroken", tmp_path / "broken")
    assert timeless_history(tmp_path / "unbroken") == timeless_history(tmp_path / "broken")
    assert len(timeless_history(tmp_path / "broken")) == EVERYTHING.epochs
    names = sorted(path.name for path in (tmp_path / "broken").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "unbroken").iterdir())
    assert "best.keras" not in names


@pytest.mark.parametrize("teacher", ["compact", "compact.keras"])
def test_with_a_consistent_teacher_an_interrupted_run_resumes_to_the_same_model(teacher: str, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    name = teacher if teacher == "compact" else str(in_the_box("compact", ".keras"))
    options = TrainOptions(arch=SMALL, epochs=2, limit=300, batch_size=64, cutmix=0.5, teacher=(name,), holdout=1000)
    consistent = replace(options, consistent_teacher=True)
    trainer.start(consistent, tmp_path / "unbroken", report=quiet)
    with pytest.raises(KeyboardInterrupt):
        trainer.start(consistent, tmp_path / "broken", report=interrupt)
    trainer.resume(tmp_path / "broken", report=quiet)
    assert same_weights(tmp_path / "unbroken", tmp_path / "broken")
    trainer.start(options, tmp_path / "once", report=quiet)
    assert not same_weights(tmp_path / "unbroken", tmp_path / "once")


def test_patience_ends_a_training_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    # Too large a step size, so that the accuracy wavers.
    options = replace(EVERYTHING, epochs=30, patience=1, schedule="constant", learning_rate=1.0, weight_average=0.0)
    lines: list[str] = []
    run = trainer.start(options, tmp_path / "run", report=lines.append)
    history = run.read_history()
    accuracies = [record.val_accuracy for record in history]
    assert len(history) < 30
    assert accuracies[-1] <= max(accuracies[:-1])
    assert accuracies[-2] == max(accuracies)
    assert lines[-1].endswith(" s")
    assert "; at most " in lines[0]
    metrics = json.loads(run.metrics.read_text())
    assert metrics["training"]["epoch"] == len(history) - 1
    assert metrics["validation"]["accuracy"] == pytest.approx(accuracies[-2], abs=2e-4)


def test_the_time_that_is_left_is_said_after_every_epoch_but_the_last(unbroken: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    trainer.start(OPTIONS, tmp_path / "run", report=lines.append)
    assert re.search(r", \d+ s; \d+ s to go$", lines[0])
    assert re.search(r", \d+ s$", lines[1])


def test_a_teacher_is_recorded_and_asked(unbroken: Path, tmp_path: Path) -> None:
    teacher = str(unbroken / "model.keras")
    run = trainer.start(replace(OPTIONS, teacher=(teacher,), epochs=1), tmp_path / "run", report=quiet)
    config = json.loads(run.config.read_text())
    assert config["teacher"] == [{"file": teacher, "sha256": sha256_hex(Path(teacher).read_bytes())}]
    assert config["options"]["teacher"] == [teacher]
    assert not same_weights(unbroken, run.path)


def test_a_run_is_not_resumed_with_another_teacher(unbroken: Path, tmp_path: Path) -> None:
    teacher = str(unbroken / "model.keras")
    config = {"options": {"arch": "compact", "teacher": [teacher]}, "teacher": [{"file": teacher, "sha256": "00"}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EdgeError, match=r"model.keras has changed since the run was begun; expected the same teacher"):
        trainer.resume(tmp_path, report=quiet)


def test_what_tensorboard_shows_is_written_where_it_is_asked_for(unbroken: Path, tmp_path: Path) -> None:
    run = trainer.start(OPTIONS, tmp_path / "run", event_log=True, report=quiet)
    (file,) = run.events.iterdir()
    points = {
        (value.tag, event.step): value.simple_value
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    history = run.read_history()
    assert len(points) == 2 * 6
    for record in history:
        assert points["val_accuracy", record.epoch] == pytest.approx(record.val_accuracy)
        assert points["learning_rate", record.epoch] == pytest.approx(1e-3)
    assert not RunFolder(unbroken).events.exists()


def test_nothing_is_begun_with_an_architecture_or_a_teacher_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def build(*, classes, dropout): return 1 / 0")
    with pytest.raises(EdgeError, match=r"mine.py:build does not build; .*got ZeroDivisionError"):
        trainer.start(TrainOptions(arch=f"{tmp_path}/mine.py:build"), tmp_path / "run", report=quiet)
    with pytest.raises(EdgeError, match=r"cannot read .*none.keras"):
        trainer.start(replace(OPTIONS, teacher=(str(tmp_path / "none.keras"),)), tmp_path / "run", report=quiet)
    assert not (tmp_path / "run").exists()


def kill_after_first_checkpoint(run: Path, log: Path) -> None:
    """Train in a process of its own and kill it with SIGKILL as soon as a checkpoint stands in `run`."""
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", TRAINING_TO_KILL, str(run)], stdout=out, stderr=out)
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while not any(run.glob("checkpoint-*.keras")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(POLL_S)
    finally:
        process.kill()
        code = process.wait()
    assert code == -signal.SIGKILL


def test_a_killed_run_leaves_only_whole_files_and_resumes_to_its_end(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "killed")
    kill_after_first_checkpoint(run.path, tmp_path / "log.txt")
    checkpoint = run.newest_checkpoint()
    assert checkpoint is not None
    path, epoch = checkpoint
    assert not run.is_finished()
    assert json.loads(run.config.read_text())["options"]["epochs"] == KILLED_EPOCHS
    assert len(run.read_history()) >= epoch
    assert keras.models.load_model(path).optimizer.iterations == epoch * 24

    (run.path / ".model.0123abcd.part.keras").write_bytes(b"half a model")
    trainer.resume(run.path, report=quiet)
    assert [record.epoch for record in run.read_history()] == list(range(1, KILLED_EPOCHS + 1))
    assert len(weights(run.path)) > 0
    names = {path.name for path in run.path.iterdir()}
    assert not {name for name in names if ".part" in name or name.startswith("checkpoint")}
    assert (tmp_path / "latest").resolve() == run.path.resolve()


def test_a_run_folder_that_is_moved_away_ends_the_training(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def move(line: str) -> None:
        run.rename(tmp_path / "moved")

    with pytest.raises(EdgeError, match="run was moved or deleted while it was in use; next: begin again"):
        trainer.start(OPTIONS, run, report=move)
    assert not run.exists()
    trainer.resume(tmp_path / "moved", report=quiet)
    assert RunFolder(tmp_path / "moved").is_settled()


def test_a_run_that_was_killed_at_its_very_end_is_settled_by_resuming(unbroken: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(unbroken, run.path)
    (run.path / "checkpoint-0002.keras").write_bytes(b"no longer needed")
    trainer.resume(run.path, report=quiet)
    assert sorted(path.name for path in run.path.iterdir()) == sorted(path.name for path in unbroken.iterdir())
    assert (tmp_path / "latest").readlink() == Path("run")


def test_a_run_is_not_trained_over(unbroken: Path) -> None:
    with pytest.raises(EdgeError, match="holds a training run already; expected a new folder; next: train --resume"):
        trainer.start(OPTIONS, unbroken, report=quiet)


def test_a_model_without_its_run_is_not_trained_over(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_text("precious")
    with pytest.raises(EdgeError, match="holds a training run already"):
        trainer.start(OPTIONS, tmp_path, report=quiet)
    assert (tmp_path / "model.keras").read_text() == "precious"


def test_a_finished_run_is_not_resumed(unbroken: Path) -> None:
    with pytest.raises(EdgeError, match="run is finished; next: begin another: fmnist-edge train"):
        trainer.resume(unbroken, report=quiet)


def test_a_folder_without_a_run_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no training run in .*; expected a config.json"):
        trainer.resume(tmp_path, report=quiet)


@pytest.mark.parametrize("options", [{"layers": 3}, {"epochs": "3"}, {"arch": 3}, {"teacher": 3}])
def test_a_run_with_options_of_another_version_is_not_resumed(options: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"options": options}))
    with pytest.raises(EdgeError, match=r"cannot resume with .*config.json; expected the options of this version"):
        trainer.resume(tmp_path, report=quiet)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ("", "the history of .*checkpoint-0001.keras is gone; expected 1 epochs; got 0; next: begin another training"),
        ("1,1,1,1,1,1\n", "cannot load .*checkpoint-0001.keras; expected a whole checkpoint; got .*begin another"),
    ],
    ids=["without its history", "half a file"],
)
def test_a_damaged_checkpoint_is_refused(history: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"options": {"arch": "compact", "limit": 10}}))
    (tmp_path / "history.csv").write_text(f"epoch,loss,accuracy,val_loss,val_accuracy,seconds\n{history}")
    (tmp_path / "checkpoint-0001.keras").write_bytes(b"half")
    with pytest.raises(EdgeError, match=message):
        trainer.resume(tmp_path, report=quiet)


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EdgeError, match=r"cannot write into .*file/run"):
        trainer.start(OPTIONS, tmp_path / "file" / "run", report=quiet)
