"""From an architecture to a model that can be trained, and every refusal on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.memory import available_bytes
from fmnist_edge.train.building import build_model, make_optimizer, require_memory
from fmnist_edge.train.options import TrainOptions

DENSE = """
import keras
from keras import layers as L

def build(*, classes, dropout):
    pixels = keras.Input((28, 28, 1))
    return keras.Model(pixels, L.Dense(classes, activation="softmax")(L.Flatten()(pixels)))
"""
OWN_LAYER = DENSE.replace(
    "def build", "class Own(L.Layer):\n    def call(self, x):\n        return x * 2\n\ndef build"
).replace("L.Flatten()(pixels)", "L.Flatten()(Own()(pixels))")


def own(folder: Path, source: str) -> TrainOptions:
    (folder / "mine.py").write_text(source)
    return TrainOptions(arch=f"{folder / 'mine.py'}:build")


def test_a_good_architecture_of_the_users_own_is_built_and_compiled(tmp_path: Path) -> None:
    model = build_model(own(tmp_path, DENSE))
    assert model.count_params() == 784 * 10 + 10
    assert (model.compiled, model.loss) == (True, "sparse_categorical_crossentropy")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*, classes, dropout", "classes", r"mine.py:build does not build; expected a keras.Model; got TypeError"),
        ("L.Flatten", "L.Flaten", r"does not build; .*got AttributeError"),
        ("return keras.Model", "return str", r"does not build; .*got "),
        ("return keras.Model(pixels", "return (pixels", r"does not build; expected a keras.Model; got tuple"),
        ("(28, 28, 1)", "(32, 32, 3)", r"has other shapes; .*got \(None, 32, 32, 3\)"),
        ("L.Dense(classes", "L.Dense(7", r"another number of classes; expected 10, as in Fashion-MNIST; got 7"),
        (', activation="softmax"', "", r"does not answer in probabilities; expected a softmax over the classes"),
        ("L.Flatten()(pixels)", "L.Flatten()(L.Lambda(lambda x: x * 2)(pixels))", r"cannot be saved and loaded again"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in DENSE
    with pytest.raises(EdgeError, match=message):
        build_model(own(tmp_path, DENSE.replace(old, new)))


def test_a_layer_that_a_saved_model_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot be saved and loaded again; got .*; next: use the layers of Keras"):
        build_model(own(tmp_path, OWN_LAYER))


def test_a_model_larger_than_memory_is_refused_before_it_is_trained() -> None:
    expected = (
        r"does not fit into memory; expected at most 1.0 GB, which is free; got 1.6 GB for 100,000,000 parameters"
    )
    with pytest.raises(EdgeError, match=expected):
        require_memory(100_000_000, 1_000_000_000)
    require_memory(62_500_000, 1_000_000_000)
    require_memory(10**12, None)


def test_free_memory_is_known_on_linux() -> None:
    available = available_bytes()
    assert available is not None
    assert 10**7 < available < 10**13


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ({}, "adam", {"learning_rate": 1e-3, "weight_decay": None, "use_ema": False}),
        ({"optimizer": "adamw"}, "adamw", {"weight_decay": 0.0}),
        ({"optimizer": "adamw", "weight_decay": 0.05}, "adamw", {"weight_decay": 0.05}),
        (
            {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.002},
            "sgd",
            {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.002},
        ),
        ({"weight_average": 0.99}, "adam", {"use_ema": True, "ema_momentum": 0.99, "ema_overwrite_frequency": None}),
    ],
)
def test_the_optimizer_is_the_one_described(values: dict[str, Any], kind: str, expected: dict[str, Any]) -> None:
    optimizer = make_optimizer(TrainOptions(**values))
    config = optimizer.get_config()
    assert type(optimizer).__name__.lower() == kind
    assert {name: config[name] for name in expected} == pytest.approx(expected)


def test_shared_labels_are_learnt_with_the_loss_for_shares() -> None:
    assert build_model(TrainOptions(arch="compact", label_smoothing=0.1)).loss == "categorical_crossentropy"
    assert isinstance(build_model(TrainOptions(arch="compact")), keras.Model)
