"""What every target shares: the same answers, by the operators that its processor is fast at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fmnist_edge.dataset import Split
from fmnist_edge.export import onnx_int8
from fmnist_edge.export.onnx_file import check_model
from fmnist_edge.export.onnx_int8 import translate
from fmnist_edge.export.recipe import Target

if TYPE_CHECKING:
    import keras

TARGETS: tuple[Target, ...] = ("generic", "arm-dot")


def infer(content: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    probabilities: npt.NDArray[np.float32] = onnxruntime.InferenceSession(content, options).run(
        None, {"pixels": images}
    )[0]
    return probabilities


def operators(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def constants(content: bytes) -> dict[str, npt.NDArray[Any]]:
    return {entry.name: numpy_helper.to_array(entry) for entry in onnx.load_from_string(content).graph.initializer}


def test_both_targets_answer_alike(int8_tflite: Path, test_split: Split) -> None:
    generic, dot = (translate(int8_tflite.read_bytes(), target=target) for target in TARGETS)
    images = test_split.images[:300]
    np.testing.assert_array_equal(infer(dot, images), infer(generic, images))


def test_arm_with_dot_products_gets_int8_activations(int8_tflite: Path) -> None:
    content = translate(int8_tflite.read_bytes(), target="arm-dot")
    check_model(content)
    values = constants(content)
    convolutions = [node for node in onnx.load_from_string(content).graph.node if node.op_type == "QLinearConv"]
    assert len(convolutions) == 11  # ten, and the dense layer
    for node in convolutions:
        assert {values[node.input[position]].dtype for position in (2, 3, 5, 7)} == {np.dtype(np.int8)}
    first, last, places, dense = (values[convolutions[position].input[3]] for position in (0, 8, 9, 10))
    assert first.shape[1] == 4  # superpixels
    assert last.shape == (64, 64, 1, 3)  # whole pixels: with dot products the indirect kernel is the faster one
    assert places.shape == (64, 1, 7, 7)
    assert dense.shape == (10, 64, 1, 1)
    assert operators(content)[:2] == ["DequantizeLinear", "QuantizeLinear"]


def test_shifted_pixels_are_the_pixels_less_128(int8_tflite: Path) -> None:
    model = onnx.load_from_string(translate(int8_tflite.read_bytes(), target="arm-dot"))
    shifted = model.graph.node[1].output[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(shifted, onnx.TensorProto.INT8, None))
    every = np.arange(784, dtype=np.int64).astype(np.uint8).reshape(1, 28, 28)
    got = onnxruntime.InferenceSession(model.SerializeToString()).run([shifted], {"pixels": every})[0]
    np.testing.assert_array_equal(got, every.astype(np.int16) - 128)


# --- wide dense layers ------------------------------------------------------------------------------------------------


def dense(*units: int) -> Callable[[Any], Any]:
    def middle(x: Any) -> Any:
        from keras import layers

        x = layers.Flatten()(layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x))  # 784 values
        for count in units:
            x = layers.Dense(count, activation="relu", bias_initializer="random_normal")(x)
        return x

    return middle


LAYERS = {
    "narrow": (dense(64), ["QGemm", "QGemm"]),
    "one wide layer": (dense(400), ["QLinearConv", "QGemm"]),
    "two wide layers": (dense(512, 512), ["QLinearConv", "QLinearConv", "QGemm"]),
    "a wide layer behind a narrow one": (dense(128, 2048), ["QGemm", "QLinearConv", "QGemm"]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_wide_dense_layer_is_a_convolution_with_the_same_answers(
    name: str,
    network: Callable[..., keras.Model],
    to_int8: Callable[[keras.Model], bytes],
    test_split: Split,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    middle, expected = LAYERS[name]
    content = to_int8(network(middle))
    generic, dot = (translate(content, target=target) for target in TARGETS)
    with monkeypatch.context() as without:
        without.setattr(onnx_int8, "_MANY_WEIGHTS", 1 << 40)
        plain = translate(content)
    images = test_split.images[:100]
    answers = infer(plain, images)
    assert len(np.unique(answers.argmax(axis=1))) > 1
    for file in (generic, dot):
        check_model(file)
        np.testing.assert_array_equal(infer(file, images), answers)
        np.testing.assert_array_equal(infer(file, images[:1]), answers[:1])  # one picture, as in a batch
    kinds = [kind for kind in operators(generic) if kind in {"QLinearConv", "QGemm"}]
    assert kinds == ["QLinearConv", *expected]  # the first is a convolution of the network's own
    assert operators(plain).count("QLinearConv") == 1
    assert "QGemm" not in operators(dot)


def test_there_is_no_reshape_between_wide_layers(
    network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes]
) -> None:
    kinds = operators(translate(to_int8(network(dense(512, 512)))))
    assert kinds[-7:] == ["Reshape", "QLinearConv", "QLinearConv", "Reshape", "QGemm", "DequantizeLinear", "Softmax"]


def test_weights_for_the_packed_product_are_less_by_one(
    network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes]
) -> None:
    content = to_int8(network(dense(400)))
    generic, dot = (constants(translate(content, target=target)) for target in TARGETS)
    name = next(name for name, value in generic.items() if value.shape == (400, 784, 1, 1))
    np.testing.assert_array_equal(dot[name].astype(np.int16) + 1, generic[name])
    assert set(dot[f"{name}.zero_point"].tolist()) == {-1}
    assert set(generic[f"{name}.zero_point"].tolist()) == {0}
