"""The command `tune`: what it prints and writes, what it says of bad input, and processes that are killed and join."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fmnist_edge.train.run_folder import RunFolder

from .command_line import Done, type_in

OWN = """
import keras

def build(*, classes, dropout, units: int = 4):
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(units, 4, strides=4, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, keras.layers.Dense(classes, activation="softmax")(x), name="own")
"""
SPACE = """
arch = "own.py:build"
epochs = 1
limit = 200
learning_rate = { low = 0.01, high = 0.1, log = true }

[arch_options]
units = { low = 4, high = 8 }
"""
POLL_S, PATIENCE_S = 0.02, 600.0
Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, in a folder with a space and an architecture."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "space.toml").write_text(SPACE)
    return type_in


def test_a_search_is_run_shown_again_and_its_best_trial_trained_again(run: Run) -> None:
    code, out, err = run("tune", "--space", "space.toml", "--trials", 1, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["study"], found["objectives"], found["trials"]) == ("search", ["accuracy", "size"], {"done": 1})
    (best,) = found["front"]
    assert err.startswith("trial 0: accuracy ")
    assert 2_000 < best["size"] < 20_000
    units = best["params"]["arch_options.units"]
    assert best["parameters"] == 17 * units + 10 * units + 10
    code, shown, err = run("tune", "--trials", 0)
    assert (code, err) == (0, "")
    assert f"| 0     | {best['accuracy']:>8.2%} |" in shown
    assert "1 done; all of them, and pictures: runs/tune/search" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("train the first one again: "))
    code, again, _ = run(*line.partition("fmnist-edge ")[2].split(), "--json")
    assert code == 0
    assert json.loads(again)["validation"]["accuracy"] == best["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--space", "none.toml"], ["cannot read none.toml"]),
        (["--space", "typo.toml"], ["unknown key 'epoch'", "did you mean epochs?"]),
        (["--space", "empty.toml"], ["empty range for shift"]),
        (["--space", "argument.toml"], ["search has no argument 'widht'", "did you mean width?"]),
        (["--space", "space.toml", "--quick"], ["space.toml has no quick variant"]),
        (["--space", "missing.toml"], ["cannot read none.py"]),
        (["--epochs", "0"], ["unusable training option epochs"]),
        (["--objectives", "accuracy,sise"], ["unknown objective 'sise'", "did you mean size?"]),
        (["--objectives", "accuracy,instructions"], ["--board pi5"]),
        (["--objectives", "accuracy,instructions", "--board", "pi6"], ["unknown board 'pi6'", "pi3, zero2w, pi4, pi5"]),
        (["--study", "../other"], ["letters, digits", "../other"]),
        (["--trials", "0"], ["no study 'search'", "fmnist-edge tune --trials 10"]),
        (["--trials", "0", "--storage", "postgresql://me:secret@host/x"], ["me:***@host", "psycopg2-binary"]),
        (
            ["--objectives", "accuracy", "--storage", "nonsense"],
            ["cannot reach the storage nonsense", "sqlite:///FILE"],
        ),
        (["--objectives", "accuracy", "--storage", "sqlite:////proc/x/y.db"], ["unable to open database file"]),
        (["--objectives", "accuracy", "--out", "/proc/none"], ["/proc/none"]),
        (["--objectives", "accuracy", "--data-dir", "."], ["train-images-idx3-ubyte"]),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: list[str], words: list[str], tmp_path: Path) -> None:
    (tmp_path / "typo.toml").write_text("epoch = 3\n")
    (tmp_path / "empty.toml").write_text("shift = { low = 2, high = 1 }\n")
    (tmp_path / "argument.toml").write_text('arch = "search"\n[arch_options]\nwidht = 3\n')
    (tmp_path / "missing.toml").write_text('arch = "none.py:build"\n[arch_options]\nwidth = 3\n')
    code, out, err = run("tune", *arguments)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if line.startswith("fmnist-edge: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    assert "secret" not in err
    for word in words:
        assert word in lines[0]
    assert not list(tmp_path.glob("runs/tune/*/study.db"))


def test_another_space_or_other_objectives_need_another_study(run: Run) -> None:
    arguments = ["tune", "--space", "space.toml", "--minutes", 0, "--objectives"]
    code, out, _ = run(*arguments, "accuracy,parameters")
    assert (code, out) == (0, "no trials; all of them, and pictures: runs/tune/search\n")
    code, _, err = run(*arguments, "accuracy")
    assert code == 2
    assert "the study search has other objectives; expected accuracy, parameters; got accuracy" in err
    code, _, err = run(*arguments, "accuracy,parameters", "--epochs", 9)
    assert code == 2
    assert "the study search searches another space; expected epochs = 1; got epochs = 9; next: name another" in err


# --- processes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let children be interrupted where the tests themselves run in the background, where Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fmnist_edge.cli", "tune", "--space", "space.toml", "--trials", "2"]
    options = ["--objectives", "accuracy,parameters", "--epochs", "8", "--limit", "1500"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *options], cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def end_after_a_checkpoint(process: subprocess.Popen[str], trial: Path, how: signal.Signals, before: set[str]) -> None:
    """Send a signal as soon as the trial has a checkpoint that is not among `before`."""
    until_s = time.monotonic() + PATIENCE_S
    while not {path.name for path in trial.glob("checkpoint-*")} - before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(POLL_S)
    process.send_signal(how)


@pytest.mark.usefixtures("interruptible")
def test_killed_interrupted_and_joined_by_two_a_search_loses_nothing(tmp_path: Path, run: Run) -> None:
    trial = tmp_path / "runs" / "tune" / "search" / "trial-0000"
    with started(tmp_path) as killed:
        end_after_a_checkpoint(killed, trial, signal.SIGKILL, set())
        assert killed.wait() == -signal.SIGKILL
    kept = RunFolder(trial).read_history()
    assert 1 <= len(kept) < 8
    before = {path.name for path in trial.glob("checkpoint-*")}
    with started(tmp_path) as interrupted:
        end_after_a_checkpoint(interrupted, trial, signal.SIGINT, before)
        out, err = interrupted.communicate()
    assert interrupted.returncode == 130, err
    assert err.endswith("fmnist-edge: interrupted; the same command goes on\n")
    assert "Traceback" not in err
    assert "2 killed, 1 waiting" in out
    joined = [started(tmp_path) for _ in range(2)]
    ends = [process.communicate() for process in joined]
    assert [process.returncode for process in joined] == [0, 0], ends
    history = RunFolder(trial).read_history()
    assert history[: len(kept)] == kept
    assert [record.epoch for record in history] == list(range(1, 9))
    code, out, _ = run("tune", "--trials", 0, "--json")
    assert code == 0
    trials = json.loads(out)["trials"]
    assert trials in ({"killed": 2, "done": 2}, {"killed": 2, "done": 3})  # both may begin the last one at once
