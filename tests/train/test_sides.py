"""Both sides of a picture: the answer is the mean over picture and mirror image, and the network is found again."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from fmnist_edge.dataset import load_split
from fmnist_edge.train import trainer
from fmnist_edge.train.base import begin_with
from fmnist_edge.train.building import build_model
from fmnist_edge.train.keras_model import KerasRunner, load_keras_model
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.rounding import plain
from fmnist_edge.train.sides import as_finished, one_side, with_both_sides

OPTIONS = TrainOptions(arch="compact", both_sides=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with drawn weights, and with both sides, as a file."""
    path = tmp_path_factory.mktemp("sides") / "model.keras"
    with_both_sides(plain(build_model(OPTIONS))).save(path)
    return path


def test_the_answer_is_the_mean_over_the_picture_and_its_mirror_image(saved: Path) -> None:
    images = load_split("test").images[:300]  # more than a runner takes at once
    both = load_keras_model(saved)
    side = KerasRunner(one_side(both))
    expected = (side.infer(images) + side.infer(np.ascontiguousarray(images[:, :, ::-1]))) / 2
    answers = KerasRunner(both).infer(images)
    np.testing.assert_allclose(answers, expected, atol=1e-6)
    assert np.abs(answers - side.infer(images)).max() > 1e-4  # drawn weights hardly tell pictures apart


def test_the_network_inside_is_found_again(saved: Path) -> None:
    both = load_keras_model(saved)
    side = one_side(both)
    assert side is not both
    assert side.name == both.name == "compact"
    assert one_side(side) is side
    assert both.count_params() == side.count_params()


def test_another_model_with_a_model_inside_is_left_as_it_is() -> None:
    inner = build_model(OPTIONS)
    pixels = keras.Input((28, 28, 1))
    around = keras.Model(pixels, inner(pixels))
    assert one_side(around) is around
    sequence = keras.Sequential([keras.Input((28, 28, 1)), inner])
    assert one_side(sequence) is sequence
    flipped = keras.Model(pixels, inner(keras.layers.Rescaling(1.0)(keras.ops.flip(pixels, axis=2))))
    assert one_side(flipped) is flipped


def test_only_a_training_that_asks_for_it_ends_with_both_sides() -> None:
    model = build_model(OPTIONS)
    assert as_finished(model, TrainOptions(arch="compact")) is model
    assert one_side(as_finished(model, OPTIONS)) is model


def test_the_weights_go_on_as_the_base_of_a_training(saved: Path) -> None:
    model = build_model(OPTIONS)
    begin_with(model, str(saved), "compact")
    for ours, theirs in zip(model.get_weights(), one_side(load_keras_model(saved)).get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_training_is_the_same_but_for_what_it_ends_with(tmp_path: Path) -> None:
    runs = []
    for both_sides in (False, True):
        options = TrainOptions(arch="compact", epochs=1, limit=500, both_sides=both_sides)
        runs.append(trainer.start(options, tmp_path / str(both_sides), report=lambda line: None))
    one, both = (load_keras_model(run.model) for run in runs)
    assert one_side(one) is one
    for ours, theirs in zip(one_side(both).get_weights(), one.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    found = json.loads(runs[1].metrics.read_text())["validation"]["accuracy"]
    validation = load_split("validation")
    accuracy = (KerasRunner(both).infer(validation.images).argmax(axis=1) == validation.labels).mean()
    assert found == pytest.approx(accuracy, abs=1e-6)
