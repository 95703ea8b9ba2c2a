"""The architectures: the seed exactly as specified, compact small, all with the same contract."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train.architectures import architecture_names, load_architecture

SEED_LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("Rescaling", {"scale": 1 / 255, "offset": 0.0}),
    ("Conv2D", {"filters": 32, "kernel_size": (3, 3), "activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("Conv2D", {"filters": 64, "kernel_size": (3, 3), "activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("Conv2D", {"filters": 128, "kernel_size": (3, 3), "activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("Flatten", {}),
    ("Dense", {"units": 512, "activation": "relu"}),
    ("Dropout", {"rate": 0.2}),
    ("Dense", {"units": 512, "activation": "relu"}),
    ("Dropout", {"rate": 0.2}),
    ("Dense", {"units": 10, "activation": "softmax"}),
]


@pytest.fixture(scope="module")
def seed() -> keras.Model:
    return load_architecture("seed")(classes=10, dropout=0.2)


@pytest.fixture(scope="module")
def compact() -> keras.Model:
    return load_architecture("compact")(classes=10, dropout=0.2)


def test_the_registry_lists_every_module_of_the_folder() -> None:
    assert architecture_names() == ("compact", "seed")


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EdgeError, match="unknown architecture 'sede'; expected one of compact, seed; next: see --arch"):
        load_architecture("sede")


def test_the_seed_has_exactly_the_specified_layers(seed: keras.Model) -> None:
    got = [(type(layer).__name__, layer.get_config()) for layer in seed.layers]
    assert [name for name, _ in got] == [name for name, _ in SEED_LAYERS]
    for (_, config), (_, expected) in zip(got, SEED_LAYERS, strict=True):
        assert {key: config[key] for key in expected} == expected


def test_the_seed_has_exactly_the_specified_parameters(seed: keras.Model) -> None:
    assert seed.count_params() == 32_080_394
    assert [layer.count_params() for layer in seed.layers if layer.weights] == [
        3 * 3 * 1 * 32 + 32,
        3 * 3 * 32 * 64 + 64,
        3 * 3 * 64 * 128 + 128,
        22 * 22 * 128 * 512 + 512,
        512 * 512 + 512,
        512 * 10 + 10,
    ]


def test_compact_stays_under_a_hundred_thousand_parameters(compact: keras.Model) -> None:
    assert 50_000 < compact.count_params() < 100_000


@pytest.mark.parametrize("name", architecture_names())
def test_every_architecture_maps_raw_pixels_to_probabilities(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    assert (model.name, model.input_shape, model.output_shape) == (name, (None, 28, 28, 1), (None, 10))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1)).astype(np.float32)
    probabilities = keras.ops.convert_to_numpy(model(pixels))
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", architecture_names())
def test_every_architecture_begins_with_the_scaling_of_raw_pixels(name: str, request: pytest.FixtureRequest) -> None:
    layers = [layer for layer in request.getfixturevalue(name).layers if not isinstance(layer, keras.layers.InputLayer)]
    assert isinstance(layers[0], keras.layers.Rescaling)
    assert (layers[0].scale, layers[0].offset) == (1 / 255, 0.0)


def test_classes_and_dropout_are_taken_from_the_caller() -> None:
    model = load_architecture("compact")(classes=7, dropout=0.4)
    assert model.output_shape == (None, 7)
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.4]
