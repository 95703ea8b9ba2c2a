"""Studies in real databases: joined, refused, unreachable; and processes that are gone."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train.tuning import storage
from fmnist_edge.train.tuning.objectives import parse_objectives
from fmnist_edge.train.tuning.processes import is_gone, own_process
from fmnist_edge.train.tuning.storage import RETRY_OF, Identity, bury, find_study, open_study, quiet, reachable
from fmnist_edge.train.tuning.trials import read_study, read_trials

BOTH = parse_objectives("accuracy,parameters")
IDENTITY = Identity(("accuracy", "parameters"), {"epochs": 3, "arch": "search"}, {"train": "a", "validation": "b"})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def test_a_study_is_begun_once_and_joined(url: str) -> None:
    first = open_study(url, "mine", BOTH, IDENTITY)
    first.add_trial(optuna.create_trial(values=[0.5, 10.0], user_attrs={"parameters": 10}))
    assert [trial.values for trial in open_study(url, "mine", BOTH, IDENTITY).trials] == [[0.5, 10.0]]
    records, objectives = read_study(url, "mine")
    assert objectives == BOTH
    assert records[0].values == {"accuracy": 0.5, "parameters": 10.0}
    assert [direction.name for direction in first.directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"objectives": ("accuracy",)},
            "has other objectives; expected accuracy, parameters; got accuracy; next",
        ),
        ({"data": {"train": "a", "validation": "c"}}, "was begun with another dataset"),
        ({"space": {"epochs": 5, "arch": "search"}}, "another space; expected epochs = 3; got epochs = 5"),
        ({"space": {"epochs": 3, "arch": "search", "flip": True}}, "expected flip = None; got flip = True"),
    ],
)
def test_trials_that_could_not_be_compared_are_refused(change: dict[str, object], message: str, url: str) -> None:
    open_study(url, "mine", BOTH, IDENTITY)
    with pytest.raises(EdgeError, match=f"the study mine .*{message}"):
        open_study(url, "mine", BOTH, dataclasses.replace(IDENTITY, **change))  # type: ignore[arg-type]
    open_study(url, "other", BOTH, dataclasses.replace(IDENTITY, **change))  # type: ignore[arg-type]


def test_a_study_of_another_program_is_left_alone(url: str) -> None:
    with quiet():
        study = optuna.create_study(storage=url, study_name="theirs", directions=["maximize", "minimize"])
    study.add_trial(optuna.create_trial(values=[1.0, 1.0]))
    for call in (lambda: open_study(url, "theirs", BOTH, IDENTITY), lambda: find_study(url, "theirs")):
        with pytest.raises(EdgeError, match="the study theirs was not begun by fmnist-edge tune; next: name another"):
            call()


def test_looking_at_what_is_not_there_makes_no_file(url: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no study 'mine' in sqlite:.*; next: run some trials"):
        find_study(url, "mine")
    assert list(tmp_path.iterdir()) == []
    open_study(url, "mine", BOTH, IDENTITY)
    with pytest.raises(EdgeError, match="no study 'yours' in "):
        find_study(url, "yours")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "cannot reach the storage nonsense; expected a database, such as sqlite:///FILE"),
        ("sqlite:////proc/none/study.db", "cannot reach .*; got unable to open database file"),
        ("sqlite:////etc/passwd", "cannot reach .*; got file is not a database"),
        ("weird://host/x", "cannot reach the storage weird://host/x"),
        ("postgresql://me:secret@host/x", r"no driver for the storage postgresql://me:\*\*\*@host/x; .*psycopg2"),
        ("sqlite://", "a storage in memory keeps nothing; expected sqlite:///FILE; got sqlite://"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_one_line(url: str, message: str) -> None:
    with pytest.raises(EdgeError, match=message) as raised:
        open_study(url, "mine", BOTH, IDENTITY)
    assert "secret" not in str(raised.value)


def test_a_storage_that_goes_away_is_one_line(url: str, tmp_path: Path) -> None:
    study = open_study(url, "mine", BOTH, IDENTITY)
    (tmp_path / "study.db").write_bytes(b"no database any more" * 100)
    with pytest.raises(EdgeError, match=r"cannot reach .*; next: what was finished is kept"), reachable(url):
        study.set_user_attr("any", 1)


def test_a_database_of_another_version_is_named(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    open_study(url, "mine", BOTH, IDENTITY)
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'v99'")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(EdgeError, match="is of another version of Optuna"):
        open_study(url, "mine", BOTH, IDENTITY)


JOIN = """
import sys
from fmnist_edge.train.tuning.objectives import parse_objectives
from fmnist_edge.train.tuning.storage import Identity, open_study
objectives = parse_objectives("accuracy,parameters")
study = open_study(sys.argv[1], "mine", objectives, Identity(("accuracy", "parameters"), {}, {}))
print(study.study_name)
"""


def test_processes_that_come_to_a_new_database_at_once_all_join(url: str) -> None:
    command = [sys.executable, "-c", JOIN, url]
    joining = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ends = [process.communicate() for process in joining]
    assert [out for out, _ in ends] == ["mine\n"] * 4, ends


# --- processes that are gone ------------------------------------------------------------------------------------------


def ended_process() -> str:
    """Return the name of a process that has ended."""
    code = "from fmnist_edge.train.tuning.processes import own_process; print(own_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_is_gone_when_it_ended_and_when_its_number_is_anothers() -> None:
    assert not is_gone(own_process())
    assert is_gone(ended_process())
    machine, number, started = own_process().rsplit("/", 2)
    assert number == str(os.getpid())
    assert is_gone(f"{machine}/{number}/{int(started) - 1}")
    assert not is_gone(f"elsewhere/{number}/{int(started) - 1}")
    assert not is_gone("")


def test_the_trial_of_a_killed_process_is_failed_and_waits_to_run_again(url: str) -> None:
    study = open_study(url, "mine", BOTH, IDENTITY)
    with pytest.warns(UserWarning, match="Heartbeat"):
        trial = study.ask()
    trial.suggest_int("shift", 0, 2)
    trial.set_user_attr("folder", "trial-0000")
    trial.set_user_attr("process", own_process())
    bury(study)
    assert [record.state for record in read_trials(study, BOTH)] == ["running"]
    trial.set_user_attr("process", ended_process())
    bury(study)
    bury(study)
    killed, waiting = read_trials(study, BOTH)
    assert (killed.state, waiting.state) == ("killed", "waiting")
    assert waiting.params == killed.params
    assert waiting.folder == "trial-0000"


def test_a_trial_that_kills_its_processes_is_left_alone_in_the_end(url: str) -> None:
    study = open_study(url, "mine", BOTH, IDENTITY)
    gone = ended_process()
    for _ in range(5):
        if any(trial.state == TrialState.WAITING for trial in study.trials) or not study.trials:
            with pytest.warns(UserWarning, match="Heartbeat"):
                study.ask().set_user_attr("process", gone)
        bury(study)
    assert [record.state for record in read_trials(study, BOTH)] == ["killed", "killed", "failed"]
    assert study.trials[-1].user_attrs[RETRY_OF] == [0, 1]


def test_a_process_elsewhere_that_is_heard_of_no_more_is_taken_for_dead(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "GRACE_S", 1)
    study = open_study(url, "mine", BOTH, IDENTITY)
    with pytest.warns(UserWarning, match="Heartbeat"):
        trial = study.ask()
    trial.set_user_attr("process", "elsewhere/1/1")
    study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    bury(study)
    assert [record.state for record in read_trials(study, BOTH)] == ["running"]
    time.sleep(2.5)  # the database counts whole seconds
    bury(study)
    assert [record.state for record in read_trials(study, BOTH)] == ["killed", "waiting"]
