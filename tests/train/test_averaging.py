"""The running average of the weights: what it is, what it is validated with, and that the training does not feel it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from fmnist_edge.dataset import Split, load_split
from fmnist_edge.train import trainer
from fmnist_edge.train.averaging import MEASURED_IMAGES, KeepTrainedWeights, averaged
from fmnist_edge.train.base import begin_with, find_base
from fmnist_edge.train.building import build_model
from fmnist_edge.train.keras_model import load_keras_model
from fmnist_edge.train.options import TrainOptions

from .small import SMALL

OPTIONS = TrainOptions(arch="compact", batch_size=100, weight_average=0.5)


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [np.array(weight) for weight in model.trainable_variables]


def images(count: int) -> Split:
    return load_split("train").first(count)


def test_the_average_is_that_of_the_steps_and_the_model_gets_its_own_weights_back() -> None:
    split = images(100)
    model = build_model(OPTIONS)
    pixels = split.images[..., np.newaxis].astype(np.float32)
    states = []
    for _ in range(3):
        model.train_on_batch(pixels, split.labels)
        states.append(weights_of(model))
    before = model.get_weights()
    with averaged(model, split.images):
        found = weights_of(model)
    for mean, first, second, third in zip(found, *states, strict=True):
        np.testing.assert_allclose(mean, 0.25 * first + 0.25 * second + 0.5 * third, atol=1e-6)
    for weight, kept in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(weight, kept)


def test_the_average_begins_with_the_base() -> None:
    model = build_model(replace(OPTIONS, learning_rate=1e-9))
    begin_with(model, "compact", "compact")
    split = images(10)
    model.train_on_batch(split.images[..., np.newaxis].astype(np.float32), split.labels)
    with averaged(model, split.images):
        np.testing.assert_allclose(
            model.get_weights()[0], load_keras_model(find_base("compact")).get_weights()[0], atol=1e-6
        )


def test_a_training_takes_the_same_steps_with_an_average_as_without() -> None:
    split = images(500)
    pixels = split.images[..., np.newaxis].astype(np.float32)
    ended = []
    for average in (0.0, 0.9):
        keras.utils.set_random_seed(0)
        model = build_model(replace(OPTIONS, weight_average=average))
        callbacks = [KeepTrainedWeights()] if average else []
        for _ in range(2):  # as the trainer does: one call for every epoch
            model.fit(pixels, split.labels, batch_size=100, shuffle=False, verbose=0, callbacks=callbacks)
        ended.append(weights_of(model))
    for without, beside in zip(*ended, strict=True):
        np.testing.assert_allclose(beside, without, atol=1e-6)


def test_the_statistics_of_the_average_are_measured_anew_each_batch_alike() -> None:
    split = images(MEASURED_IMAGES + 1_000)
    model = build_model(OPTIONS)
    model.train_on_batch(split.images[:100, ..., np.newaxis].astype(np.float32), split.labels[:100])
    norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    momentum = norm.momentum
    inside = keras.Model(model.input, norm.input)
    with averaged(model, split.images):
        activations = inside.predict(split.images[:MEASURED_IMAGES, ..., np.newaxis].astype(np.float32), verbose=0)
        parts = np.split(activations, 10)
        mean = np.mean([part.mean(axis=(0, 1, 2)) for part in parts], axis=0)
        variance = np.mean([part.var(axis=(0, 1, 2)) for part in parts], axis=0)
        np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-2)
    assert norm.momentum == momentum


def test_a_model_without_normalization_is_averaged_as_well() -> None:
    split = images(50)
    model = build_model(replace(OPTIONS, arch="seed"))
    model.train_on_batch(split.images[..., np.newaxis].astype(np.float32), split.labels)
    first = weights_of(model)
    with averaged(model, split.images):
        for mean, weight in zip(weights_of(model), first, strict=True):
            np.testing.assert_allclose(mean, weight, atol=1e-6)


def test_an_averaged_run_saves_what_it_validated(tmp_path: Path) -> None:
    options = TrainOptions(
        arch=SMALL, epochs=3, limit=1_000, optimizer="sgd", learning_rate=0.1, weight_average=0.9, batch_size=50
    )
    run = trainer.start(options, tmp_path / "run", report=lambda line: None)
    validation = load_split("validation")
    answers = load_keras_model(run.model).predict(validation.images[..., np.newaxis].astype(np.float32), verbose=0)
    accuracy = float((answers.argmax(axis=1) == validation.labels).mean())
    assert abs(accuracy - run.read_history()[-1].val_accuracy) < 1e-3
    assert accuracy > 0.5  # it was 10% with the statistics of the weights that were trained
