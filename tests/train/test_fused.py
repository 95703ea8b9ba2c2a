"""Layers that train faster: the same numbers as Keras' own, and gone from what is saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from keras import layers

from fmnist_edge.train import trainer
from fmnist_edge.train.building import build_model, compile_model
from fmnist_edge.train.fused import FusedBatchNormalization, FusedDepthwiseConv2D, fused, unfused
from fmnist_edge.train.keras_model import load_keras_model
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.rounding import begin_rounding, is_twin

OPTIONS = TrainOptions(
    arch="compact", epochs=2, limit=500, batch_size=64, seed=3, optimizer="sgd", learning_rate=0.01, dropout=0.0
)
BFLOAT16 = replace(OPTIONS, precision="bfloat16")


def noise(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(1.0, 2.0, shape).astype(np.float32)


def pair(kind: type[layers.Layer], other: type[layers.Layer], shape: tuple[int, ...], **config: Any) -> list[Any]:
    """Make a layer of both kinds with the same weights, none of which is 0 or 1."""
    made = [each(**config) for each in (kind, other)]
    for layer in made:
        layer.build((None, *shape))
    values = [np.abs(noise(*weight.shape)) + 0.1 for weight in made[0].weights]
    for layer in made:
        layer.set_weights(values)
    return made


def gradients(layer: Any, inputs: Any, **options: Any) -> list[Any]:
    """Return outputs, and the gradients of their squares for the inputs and all weights that are trained."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **options)
        loss = tf.reduce_sum(tf.square(outputs) * tf.constant(noise(*outputs.shape)))
    watched = [inputs, *(weight.value for weight in layer.trainable_weights)]
    return [np.asarray(value) for value in (outputs, *tape.gradient(loss, watched))]


@pytest.mark.parametrize("axis", [-1, 3])
def test_a_fused_normalization_gives_the_numbers_of_keras_forwards_and_backwards(axis: int) -> None:
    plain, quick = pair(
        layers.BatchNormalization, FusedBatchNormalization, (5, 6, 8), momentum=0.7, epsilon=0.01, axis=axis
    )
    inputs = tf.constant(noise(4, 5, 6, 8))
    for ours, theirs in zip(
        gradients(quick, inputs, training=True), gradients(plain, inputs, training=True), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)
    for ours, theirs in zip(quick.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)  # the running statistics among them
    np.testing.assert_allclose(quick(inputs, training=False), plain(inputs, training=False), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "config"),
    [((8,), {}), ((5, 6, 8), {"axis": 1}), ((5, 6, 8), {"scale": False}), ((5, 6, 8), {"trainable": False})],
    ids=["dense", "rows", "no scale", "frozen"],
)
def test_other_normalizations_are_left_to_keras(shape: tuple[int, ...], config: dict[str, Any]) -> None:
    plain, quick = pair(layers.BatchNormalization, FusedBatchNormalization, shape, **config)
    inputs = tf.constant(noise(4, *shape))
    assert np.array_equal(quick(inputs, training=True), plain(inputs, training=True))
    assert all(np.array_equal(a, b) for a, b in zip(quick.get_weights(), plain.get_weights(), strict=True))


@pytest.mark.parametrize(
    "config",
    [
        {"kernel_size": 5},
        {"kernel_size": 5, "use_bias": False, "activation": "relu"},
        {"kernel_size": 3},
        {"kernel_size": 5, "padding": "same"},
        {"kernel_size": 5, "depth_multiplier": 2},
    ],
    ids=["whole", "whole, rectified", "small", "same", "multiplied"],
)
def test_a_fused_depthwise_convolution_gives_the_numbers_of_keras(config: dict[str, Any]) -> None:
    plain, quick = pair(layers.DepthwiseConv2D, FusedDepthwiseConv2D, (5, 5, 8), **config)
    inputs = tf.constant(noise(4, 5, 5, 8))
    for ours, theirs in zip(gradients(quick, inputs), gradients(plain, inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("precision", "loss_apart", "weight_apart"), [("float32", 1e-5, 1e-3), ("bfloat16", 0.02, 0.05)]
)
def test_a_step_of_training_is_that_of_the_plain_model(precision: Any, loss_apart: float, weight_apart: float) -> None:
    model = build_model(OPTIONS)
    quick = fused(model, precision)
    compile_model(quick, OPTIONS)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1)).astype(np.float32)
    labels = np.arange(64) % 10
    losses = [float(each.train_on_batch(pixels, labels)[0]) for each in (model, quick)]
    assert losses[1] == pytest.approx(losses[0], abs=loss_apart)
    largest = max(np.abs(a - b).max() for a, b in zip(model.get_weights(), quick.get_weights(), strict=True))
    assert 0 < largest < weight_apart
    assert [str(weight.dtype) for weight in quick.weights] == ["float32"] * len(quick.weights)


def test_what_is_left_of_a_fused_model_is_a_plain_one_with_its_weights() -> None:
    model = build_model(OPTIONS)
    quick = fused(model, "bfloat16")
    policies = {layer.dtype_policy.name for layer in quick.layers[1:-1]}
    assert policies == {"mixed_bfloat16"}
    assert quick.layers[-1].dtype_policy.name == "float32"
    assert {type(layer) for layer in quick.layers if layer.name.endswith("_norm")} == {FusedBatchNormalization}
    compile_model(quick, BFLOAT16)
    bare = unfused(quick)
    assert not bare.compiled  # or its optimizer would be saved with it
    assert json.loads(bare.to_json())["config"] == json.loads(model.to_json())["config"]
    assert all(np.array_equal(a, b) for a, b in zip(bare.get_weights(), model.get_weights(), strict=True))


def test_a_layer_that_chose_its_own_precision_keeps_it() -> None:
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(dtype="float64"), layers.Dense(10, activation="softmax")]
    )
    assert fused(model, "bfloat16").layers[0].dtype_policy.name == "float64"


def test_a_training_in_bfloat16_resumes_to_the_same_model_which_is_a_plain_one(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    whole = trainer.start(BFLOAT16, tmp_path / "whole", report=lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        trainer.start(BFLOAT16, tmp_path / "broken", report=interrupt)
    broken = trainer.resume(tmp_path / "broken", report=lambda line: None)
    assert whole.model.stat().st_size < 450_000  # 77,402 weights in float32, and no optimizer
    models = [load_keras_model(run.model) for run in (whole, broken)]
    assert all(np.array_equal(a, b) for a, b in zip(*(model.get_weights() for model in models), strict=True))
    assert {layer.dtype_policy.name for layer in models[0].layers} == {"float32"}
    assert not any(isinstance(layer, FusedBatchNormalization | FusedDepthwiseConv2D) for layer in models[0].layers)


def test_rounding_begins_from_a_fused_model() -> None:
    quick = fused(build_model(BFLOAT16), "bfloat16")
    compile_model(quick, BFLOAT16)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype=np.uint8)
    quick.train_on_batch(pixels[..., np.newaxis].astype(np.float32), np.arange(64) % 10)
    twin = begin_rounding(quick, BFLOAT16, pixels)
    assert is_twin(twin)
    assert {layer.dtype_policy.name for layer in twin.layers} == {"float32"}
    assert int(twin.optimizer.iterations) == 1
