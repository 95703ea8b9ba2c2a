"""Real trials: real trainings of a tiny network, kept in a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import optuna
import pytest
from optuna.trial import TrialState

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import splits
from fmnist_edge.dataset.sources import TEST_IMAGES, TEST_LABELS, DataFile
from fmnist_edge.train.run_folder import RunFolder
from fmnist_edge.train.tuning import storage
from fmnist_edge.train.tuning.objectives import parse_objectives
from fmnist_edge.train.tuning.search import Costs, Search, begin
from fmnist_edge.train.tuning.space import read_space
from fmnist_edge.train.tuning.storage import bury, requeue
from fmnist_edge.train.tuning.trials import TrialRecord, read_trials

from .test_storage import ended_process

OWN = """
import keras

def build(*, classes, dropout, units: int = 4):
    if units > 40:
        raise RuntimeError(f"{units} are too many")
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.MaxPooling2D(4)(keras.layers.Rescaling(1 / 255)(pixels))
    x = keras.layers.Dense(units, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.Dense(classes, activation="softmax")(x), name="own")
"""
SPACE = """
arch = "{own}:build"
epochs = {epochs}
limit = 200
learning_rate = {{ low = 0.001, high = 0.1, log = true }}

[arch_options]
units = {{ choices = [4, 8, 50] }}
"""


def nothing(model: keras.Model) -> dict[str, float]:
    raise AssertionError("nobody asked for costs")


def searching(
    folder: Path, objectives: str = "accuracy,parameters", *, epochs: int = 1, costs: Costs = nothing, **others: Any
) -> Search:
    """Begin or join the study of `folder`."""
    (folder / "own.py").write_text(OWN)
    (folder / "space.toml").write_text(SPACE.format(own=folder / "own.py", epochs=epochs))
    space, wanted = read_space(folder / "space.toml"), parse_objectives(objectives)
    out = folder / "out"
    return begin(f"sqlite:///{folder / 'study.db'}", "mine", wanted, space, out, costs=costs, **others)


def records(search: Search) -> list[TrialRecord]:
    return read_trials(search.study, search.objectives)


def test_a_search_goes_on_after_a_trial_that_fails_and_never_reads_a_test_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[DataFile] = set()
    load_payload = splits.load_payload

    def record(folder: Path, file: DataFile) -> bytes:
        read.add(file)
        return load_payload(folder, file)

    monkeypatch.setattr(splits, "load_payload", record)
    lines: list[str] = []
    search = searching(tmp_path, report=lines.append)
    for units in (50, 8):
        search.study.enqueue_trial({"arch_options.units": units, "learning_rate": 0.01})
    search.run(trials=2, minutes=None)
    failed, done = records(search)
    assert (failed.state, done.state) == ("failed", "done")
    assert failed.error.endswith(
        "own.py:build does not build; expected a keras.Model; got RuntimeError: 50 are too many"
    )
    assert done.values == {"accuracy": done.values["accuracy"], "parameters": 49 * 8 + 8 + 8 * 10 + 10}
    folder = RunFolder(tmp_path / "out" / "trial-0001")
    assert json.loads(folder.metrics.read_text())["validation"]["accuracy"] == done.values["accuracy"]
    assert folder.read_config()["options"] == {**done.options, "teacher": []}
    assert (done.options["limit"], done.options["arch_options"]) == (200, {"units": 8})
    assert "trial 0: failed: " in lines[0]
    assert "; on the front; 2 done" in lines[-1]
    assert read
    assert not read & {TEST_IMAGES, TEST_LABELS}
    searching(tmp_path).run(trials=2, minutes=None)
    searching(tmp_path).run(trials=None, minutes=0)
    assert len(records(search)) == 2


def test_a_search_in_which_everything_fails_ends(tmp_path: Path) -> None:
    lines: list[str] = []
    search = searching(tmp_path, report=lines.append)
    for _ in range(7):
        search.study.enqueue_trial({"arch_options.units": 50})
    with pytest.raises(EdgeError, match=r"5 trials in a row failed; got .*50 are too many; next: mend it"):
        search.run(trials=10, minutes=None)
    assert [record.state for record in records(search)] == ["failed"] * 5 + ["waiting"] * 2


def test_an_interrupted_trial_is_run_again_from_its_last_epoch(tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "epoch 2/2":
            raise KeyboardInterrupt

    lines: list[str] = []
    search = searching(tmp_path, epochs=2, progress=interrupt, report=lines.append)
    search.study.enqueue_trial({"arch_options.units": 4, "learning_rate": 0.02})
    with pytest.raises(KeyboardInterrupt):
        search.run(trials=1, minutes=None)
    folder = RunFolder(tmp_path / "out" / "trial-0000")
    before = folder.read_history()
    assert [record.epoch for record in before] == [1]
    assert [record.state for record in records(search)] == ["killed", "waiting"]
    assert lines[0].startswith("trial 0: an epoch took ")
    again = searching(tmp_path, epochs=2, report=lines.append)
    again.run(trials=1, minutes=None)
    killed, done = records(again)
    assert (killed.state, done.state, done.folder) == ("killed", "done", "trial-0000")
    assert folder.read_history()[:1] == before
    assert (done.params, done.number) == (killed.params, 1)
    assert [path.name for path in (tmp_path / "out").glob("trial-*")] == ["trial-0000"]


def test_a_hopeless_trial_is_given_up_where_accuracy_is_all(tmp_path: Path) -> None:
    search = searching(tmp_path, "accuracy", epochs=5, report=lambda line: None)
    for _ in range(5):
        better = dict.fromkeys(range(1, 6), 0.99)
        search.study.add_trial(optuna.create_trial(value=0.99, intermediate_values=better))
    search.study.enqueue_trial({"arch_options.units": 4, "learning_rate": 0.001})
    search.run(trials=6, minutes=None)
    last = records(search)[-1]
    assert last.state == "given up"
    folder = RunFolder(tmp_path / "out" / "trial-0005")
    assert 2 <= len(folder.read_history()) < 5
    assert folder.newest_checkpoint() is None


def test_the_costs_of_one_shape_are_measured_once(tmp_path: Path) -> None:
    weighed: list[int] = []

    def weigh(model: keras.Model) -> dict[str, float]:
        weighed.append(model.count_params())
        return {"size": 1000.0 + model.count_params(), "macs": 5.0}

    search = searching(tmp_path, "accuracy,size", costs=weigh, report=lambda line: None)
    for units in (4, 8, 4):
        search.study.enqueue_trial({"arch_options.units": units})
    search.run(trials=3, minutes=None)
    parameters = [49 * units + units + units * 10 + 10 for units in (4, 8, 4)]
    assert weighed == parameters[:2]
    assert [record.values["size"] for record in records(search)] == [1000.0 + count for count in parameters]


def test_a_trial_that_was_taken_for_dead_is_left_to_others(tmp_path: Path) -> None:
    def sleep(model: keras.Model) -> dict[str, float]:
        trial = search.study.trials[0]
        search.study.tell(0, state=TrialState.FAIL)
        requeue(search.study, trial)
        return {"size": 1.0}

    lines: list[str] = []
    search = searching(tmp_path, "accuracy,size", costs=sleep, report=lines.append)
    search.study.enqueue_trial({"arch_options.units": 4})
    search._run_one()
    assert [record.state for record in records(search)] == ["killed", "waiting"]


@pytest.mark.parametrize("waits", [False, True], ids=["a new trial", "one that waits"])
def test_a_trial_that_is_killed_as_it_begins_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    class Killed(BaseException):
        """What no command survives, and Optuna does not catch."""

    def be_killed(search: Search, trial: optuna.Trial) -> list[float]:
        raise Killed

    monkeypatch.setattr(Search, "_try", be_killed)
    monkeypatch.setattr(storage, "own_process", ended_process)
    search = searching(tmp_path, report=lambda line: None)
    if waits:
        search.study.enqueue_trial({"arch_options.units": 4})
    with pytest.raises(Killed):
        search._run_one()
    assert [record.state for record in records(search)] == ["running"]
    bury(search.study)
    assert [record.state for record in records(search)] == ["killed", "waiting"]


def test_what_can_be_checked_is_checked_before_the_first_trial(tmp_path: Path) -> None:
    (tmp_path / "out" / "trial-0000").mkdir(parents=True)
    with pytest.raises(EdgeError, match="out holds trials that are not of the study mine; expected none; next: name"):
        searching(tmp_path)
    (tmp_path / "out" / "trial-0000").rmdir()
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(EdgeError, match=r"cannot make folder .*out"):
        searching(tmp_path)
    with pytest.raises(EdgeError, match="train-images-idx3-ubyte"):
        searching(tmp_path, data_dir=tmp_path)


def test_what_a_killed_trial_left_half_written_goes_also_where_no_training_comes_back(tmp_path: Path) -> None:
    searching(tmp_path)
    out = tmp_path / "out"
    given_up = [out / "trial-0000", out / "front"]
    for folder in given_up:
        folder.mkdir()
        (folder / ".a.0123abcd.part.png").write_bytes(b"half")
        (folder / "a.png").write_bytes(b"whole")
    study = optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path / 'study.db'}")
    study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL))
    searching(tmp_path)
    assert [[path.name for path in folder.iterdir()] for folder in given_up] == [["a.png"], ["a.png"]]


def test_another_dataset_is_another_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searching(tmp_path)
    monkeypatch.setattr(splits.Split, "sha256", property(lambda split: "another"))
    with pytest.raises(EdgeError, match="the study mine was begun with another dataset; expected the same images"):
        searching(tmp_path)
