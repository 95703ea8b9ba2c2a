"""What can be chosen about a training: defaults, the TOML file, explicit choices, and every refusal."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train.options import TrainOptions, make_options


def written(folder: Path, text: str) -> Path:
    path = folder / "train.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_the_specified_training() -> None:
    assert asdict(make_options({})) == {
        "arch": "seed",
        "epochs": 15,
        "batch_size": 128,
        "learning_rate": 1e-3,
        "dropout": 0.2,
        "seed": 0,
        "limit": None,
    }


def test_the_file_is_merged_under_explicit_choices(tmp_path: Path) -> None:
    config = written(tmp_path, 'arch = "compact"\nepochs = 3\nlearning_rate = 1\nlimit = 500\n')
    options = make_options({"epochs": 7, "seed": None, "limit": None, "dropout": 0.0}, config)
    assert options == TrainOptions(arch="compact", epochs=7, learning_rate=1, limit=500, dropout=0.0)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert make_options({}, written(tmp_path, "")) == TrainOptions()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("arch", "resnet", "one of compact, seed"),
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", -1e-3, "above 0"),
        ("learning_rate", float("inf"), "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("dropout", -0.1, "from 0 to below 1"),
        ("dropout", 1.0, "from 0 to below 1"),
        ("seed", -1, "from 0 to 4294967295"),
        ("seed", 2**32, "from 0 to 4294967295"),
        ("limit", 0, "at least 1"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(name: str, value: Any, expected: str) -> None:
    with pytest.raises(EdgeError, match=f"unusable training option {name}; expected {expected}; got {value!r}"):
        make_options({name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"unknown key 'epoch'; next: did you mean epochs\?"),
        ("learningrate = 3", r"unknown key 'learningrate'; next: did you mean learning_rate\?"),
        ("zzz = 3", "unknown key 'zzz'; next: use one of arch, epochs, batch_size"),
        ("[train]\nepochs = 3", "unknown key 'train'"),
        ('epochs = "3"', "unusable epochs; expected int; got '3'"),
        ("epochs = 3.0", "unusable epochs; expected int; got 3.0"),
        ("epochs = true", "unusable epochs; expected int; got True"),
        ("dropout = false", "unusable dropout; expected float; got False"),
        ('learning_rate = "fast"', "unusable learning_rate; expected float; got 'fast'"),
        ("arch = 1", "unusable arch; expected str; got 1"),
        ("limit = [1]", r"unusable limit; expected int; got \[1\]"),
        ("dropout = 2", "unusable training option dropout"),
        ("epochs = ", "cannot read .*train.toml; expected a TOML file; got .*Invalid value"),
    ],
)
def test_an_unusable_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=message):
        make_options({}, written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none.toml; expected a TOML file; got No such file"):
        make_options({}, tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(EdgeError, match=r"cannot read .*train.toml; expected a TOML file; got .*can't decode"):
        make_options({}, path)
