"""Arguments of an architecture of one's own: passed on, checked, kept in the run folder, and used again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train import trainer
from fmnist_edge.train.arch_options import accepts
from fmnist_edge.train.building import build_model
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.run_folder import RunFolder

OWN = """
import keras

def build(*, classes, dropout, units: int = 4, share: float = 0.5, sizes=(1, 2)):
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.Dense(units, activation="relu")(keras.layers.Flatten()(pixels))
    return keras.Model(pixels, keras.layers.Dense(classes, activation="softmax")(x), name="own")
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:build"


def test_the_arguments_reach_the_function(own: str) -> None:
    model = build_model(TrainOptions(arch=own, arch_options={"units": 7, "share": 1, "sizes": "any"}))
    assert model.count_params() == 784 * 7 + 7 + 7 * 10 + 10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unit": 3}, r"has no argument 'unit'; next: did you mean units\?"),
        ({"zzz": 3}, "has no argument 'zzz'; next: use one of units, share, sizes"),
        ({"classes": 3}, "has no argument 'classes'"),
        ({"units": 3.5}, "cannot be built with this units; expected int; got 3.5"),
        ({"units": True}, "cannot be built with this units; expected int; got True"),
        ({"share": "half"}, "cannot be built with this share; expected float; got 'half'"),
        ({"units": -1}, "does not build; expected a keras.Model; got ValueError"),
    ],
)
def test_arguments_that_it_does_not_take_are_refused(given: dict[str, Any], message: str, own: str) -> None:
    with pytest.raises(EdgeError, match=message):
        build_model(TrainOptions(arch=own, arch_options=given))


def test_an_architecture_without_arguments_says_so() -> None:
    with pytest.raises(EdgeError, match="seed has no argument 'width'; next: seed takes none"):
        build_model(TrainOptions(arch_options={"width": 3}))


def test_what_is_no_plain_value_accepts_anything() -> None:
    assert accepts((1, 2), "any")
    assert not accepts(1, "any")


def test_a_run_is_resumed_with_the_arguments_it_was_begun_with(own: str, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    options = TrainOptions(arch=own, arch_options={"units": 3}, epochs=2, limit=200)
    with pytest.raises(KeyboardInterrupt):
        trainer.start(options, tmp_path / "run", report=interrupt)
    assert RunFolder(tmp_path / "run").read_config()["options"]["arch_options"] == {"units": 3}
    trainer.resume(tmp_path / "run", report=lambda line: None)
    assert (tmp_path / "run" / "model.keras").is_file()
