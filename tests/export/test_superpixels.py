"""A first convolution over superpixels gives every probability to the last bit, or is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fmnist_edge.dataset import Split
from fmnist_edge.export import onnx_int8
from fmnist_edge.export.superpixels import Grouping, widen_first_convolution

if TYPE_CHECKING:
    import keras


def first_convolution(model: Any) -> Any:
    return next(node for node in model.graph.node if node.op_type == "QLinearConv")


def channels_in(model: Any) -> int:
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    return int(constants[first_convolution(model).input[3]].shape[1])


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "pixels"),
    [
        (3, 1, "valid", 2),
        (3, 1, "same", 4),
        (5, 1, "same", 4),
        (5, 1, "valid", 4),
        (3, 2, "same", 4),
        (3, 2, "valid", 2),
        (5, 2, "same", 4),
        (7, 2, "same", 4),
        (4, 4, "same", 4),
        (1, 1, "same", 4),
        (2, 2, "valid", 4),
        (7, 4, "same", 4),
        (3, 3, "same", 1),
    ],
)
def test_superpixels_change_no_bit(
    kernel: int,
    strides: int,
    padding: str,
    pixels: int,
    network: Callable[..., keras.Model],
    to_int8: Callable[[keras.Model], bytes],
    test_split: Split,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from keras import layers

    content = to_int8(network(layers.Conv2D(6, kernel, strides=strides, padding=padding, activation="relu")))
    wide = onnx_int8.translate(content)
    with monkeypatch.context() as without:
        without.setattr(onnx_int8, "widen_first_convolution", lambda model: None)
        plain = onnx_int8.translate(content)
    images = test_split.images[:200]
    answers = [onnxruntime.InferenceSession(file).run(None, {"pixels": images})[0] for file in (wide, plain)]
    np.testing.assert_array_equal(*answers)
    assert len(np.unique(answers[0].argmax(axis=1))) > 1  # the network answers differently to different pictures
    assert channels_in(onnx.load_from_string(wide)) == pixels
    assert channels_in(onnx.load_from_string(plain)) == 1


@pytest.mark.parametrize(
    ("padding", "target", "expected"),
    [("valid", "generic", np.uint8), ("same", "generic", np.int8), ("valid", "arm-dot", np.int8)],
)
def test_weights_are_unsigned_where_the_sums_are_short(
    padding: str,
    target: onnx_int8.Target,
    expected: type,
    network: Callable[..., keras.Model],
    to_int8: Callable[[keras.Model], bytes],
) -> None:
    from keras import layers

    content = to_int8(network(layers.Conv2D(6, 3, padding=padding, activation="relu")))
    model = onnx.load_from_string(onnx_int8.translate(content, target=target))
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    weights, zero_points = (constants[first_convolution(model).input[position]] for position in (3, 5))
    assert weights.dtype == zero_points.dtype == expected
    assert set(zero_points.tolist()) == {128 if expected is np.uint8 else 0}
    assert weights.shape[1] == (2 if padding == "valid" else 4)  # superpixels in every target


def test_widening_twice_is_widening_once(int8_onnx: Path) -> None:
    model = onnx.load(int8_onnx)
    before = model.SerializeToString(deterministic=True)
    widen_first_convolution(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_network_without_a_first_convolution_is_left_alone(
    network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes]
) -> None:
    from keras import layers

    model = onnx.load_from_string(onnx_int8.translate(to_int8(network(layers.Flatten()))))
    before = model.SerializeToString(deterministic=True)
    assert "QGemm" in [node.op_type for node in model.graph.node]
    widen_first_convolution(model)
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("kernel", "stride", "pad_left", "columns", "grouping"),
    [
        # 26 columns: two outputs read the four pixels 2i to 2i+3, which are two superpixels of two.
        (3, 1, 0, 26, Grouping(pixels=2, outputs=2, first=0, kernel=2, pad_left=0, pad_right=0)),
        # 14 columns, stride 2: outputs 2i and 2i+1 read pixels 4i-1 to 4i+5, which lie in superpixels i-1 to i+1.
        (5, 2, 1, 14, Grouping(pixels=4, outputs=2, first=-1, kernel=3, pad_left=1, pad_right=1)),
        # 25 columns share nothing with 2 or 4.
        (4, 1, 0, 25, None),
    ],
)
def test_groupings_by_hand(kernel: int, stride: int, pad_left: int, columns: int, grouping: Grouping | None) -> None:
    assert Grouping.choose(kernel=kernel, stride=stride, pad_left=pad_left, columns=columns) == grouping
