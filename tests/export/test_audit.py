"""The audit finds the layer that strays most from the float network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fmnist_edge.export import tflite
from fmnist_edge.export.audit import LayerError, layer_errors, sqnr_db
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.trace import layer_names

if TYPE_CHECKING:
    import keras

    from fmnist_edge.export.calibration import Calibration

Network = Callable[..., "keras.Model"]


@pytest.fixture(scope="module")
def small(network: Network) -> keras.Model:
    """Two convolutions and a dense layer."""
    from keras import layers

    def middle(x: object) -> object:
        return layers.Conv2D(4, 3, activation="relu", name="second")(
            layers.Conv2D(4, 3, activation="relu", name="first")(x)
        )

    return network(middle)


@pytest.fixture(scope="module")
def int8(small: keras.Model, to_int8: Callable[[keras.Model], bytes]) -> bytes:
    return to_int8(small)


def errors_of(small: keras.Model, int8: bytes, calibration: Calibration) -> list[LayerError]:
    reference = tflite.convert_scaled(small)
    images = calibration.split.images[:20]
    return layer_errors(reference.content, int8, images, reference.scaling.apply(images))


def test_an_int8_layer_is_near_the_float_layer(small: keras.Model, int8: bytes, calibration: Calibration) -> None:
    errors = errors_of(small, int8, calibration)
    assert len(errors) == len(layer_names(int8)) == 2  # the convolutions; the logits are left out
    assert all(25 < error.sqnr_db < 60 for error in errors)
    assert errors == sorted(errors, key=lambda error: error.sqnr_db)


@pytest.mark.parametrize(("position", "layer"), [(0, "first"), (1, "second")])
def test_a_spoiled_layer_is_named_first(
    position: int, layer: str, small: keras.Model, int8: bytes, calibration: Calibration
) -> None:
    model = read_model(int8)
    graph = model.subgraphs[0]
    convolution = [op for op in graph.operators if operator_name(model, op) == "CONV_2D"][position]
    weights = model.buffers[graph.tensors[convolution.inputs[1]].buffer]
    weights.data = (np.asarray(weights.data).view(np.int8) // 16 * 16).view(np.uint8)
    clean, spoiled = errors_of(small, int8, calibration), errors_of(small, write_model(model), calibration)
    drops = {error.layer: error.sqnr_db for error in clean}
    falls = {error.layer: drops[error.layer] - error.sqnr_db for error in spoiled}
    first_hurt = [name for name in (error.layer for error in spoiled) if falls[name] > 6]
    assert any(layer in name for name in first_hurt)
    if layer == "second":
        assert layer in spoiled[0].layer
        assert not any("first" in name for name in first_hurt)


def test_ratios_by_hand() -> None:
    signal = np.array([3.0, 4.0], np.float32)  # mean square 12.5
    assert sqnr_db(signal, signal + np.float32(0.5)) == pytest.approx(10 * np.log10(12.5 / 0.25))
    assert sqnr_db(signal, signal) > 120


def test_an_exact_layer_is_not_the_worst_also_where_it_is_always_0() -> None:
    nothing = np.zeros(3, np.float32)
    assert sqnr_db(nothing, nothing) == sqnr_db(nothing + 1, nothing + 1) > 120
    assert sqnr_db(nothing, nothing + np.float32(0.5)) < 0


def test_models_without_a_common_layer_have_nothing_to_compare(
    small: keras.Model, int8: bytes, calibration: Calibration
) -> None:
    renamed = read_model(int8)
    for tensor in renamed.subgraphs[0].tensors:
        tensor.name = b"x" + bytes(tensor.name)
    assert errors_of(small, write_model(renamed), calibration) == []
