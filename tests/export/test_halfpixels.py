"""A convolution over parts of pixels gives every probability to the last bit, and stays within the kernels' limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fmnist_edge.dataset import Split
from fmnist_edge.export import onnx_int8
from fmnist_edge.export.halfpixels import parts_of_pixel, split_pixels

if TYPE_CHECKING:
    import keras

    Middle = Callable[[Any], Any]


def convolution_channels(content: bytes) -> list[int]:
    """Return the input channels of every convolution's weights."""
    graph = onnx.load_from_string(content).graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    return [int(constants[node.input[3]].shape[1]) for node in graph.node if node.op_type == "QLinearConv"]


def deep(channels: int, kernel: int | tuple[int, int], **options: Any) -> Middle:
    def middle(x: Any) -> Any:
        from keras import layers

        x = layers.Conv2D(channels, 4, strides=4, activation="relu", padding="same")(x)
        return layers.Conv2D(8, kernel, activation="relu", **options)(x)

    return middle


@pytest.mark.parametrize(
    ("middle", "channels"),
    [
        (deep(64, 3, padding="same"), 32),
        (deep(64, 3, padding="valid"), 32),
        (deep(64, 3, padding="same", strides=2), 32),
        (deep(96, 2, padding="same"), 48),
        (deep(128, (3, 1), padding="same"), 32),
        (deep(64, (1, 3), padding="valid", strides=2), 32),
        (deep(64, 1), 64),
        (deep(64, 3, dilation_rate=2), 64),
        (deep(64, 3, groups=2), 32),
        (deep(32, 3), 32),
    ],
)
def test_split_pixels_change_no_bit(
    middle: Middle,
    channels: int,
    network: Callable[..., keras.Model],
    to_int8: Callable[[keras.Model], bytes],
    test_split: Split,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = to_int8(network(middle))
    split = onnx_int8.translate(content)
    with monkeypatch.context() as without:
        without.setattr(onnx_int8, "parts_of_pixel", lambda channels: 1)
        whole = onnx_int8.translate(content)
    images = test_split.images[:200]
    answers = [onnxruntime.InferenceSession(file).run(None, {"pixels": images})[0] for file in (split, whole)]
    np.testing.assert_array_equal(*answers)
    assert len(np.unique(answers[0].argmax(axis=1))) > 1  # the network answers differently to different pictures
    assert convolution_channels(split)[1] == channels


@pytest.mark.parametrize("channels", range(1, 400))
def test_parts_are_small_and_aligned_or_the_pixel_stays_whole(channels: int) -> None:
    parts = parts_of_pixel(channels)
    each, rest = divmod(channels, parts)
    assert not rest
    assert parts == 1 or (channels >= 64 and each < 64 and each % 4 == 0)
    if channels >= 64 and channels % 8 == 0:
        assert parts > 1


def test_a_split_kernel_by_hand() -> None:
    # One output, four channels, one row of two columns; each pixel becomes two of two channels.
    weights = np.array([[[[1, 5]], [[2, 6]], [[3, 7]], [[4, 8]]]], np.int8)
    assert split_pixels(weights, 2).tolist() == [[[[1, 3, 5, 7]], [[2, 4, 6, 8]]]]
