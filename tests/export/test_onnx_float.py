"""The ONNX files with float activations, and what all ONNX files have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from tf2onnx import convert, utils

from fmnist_edge.common.box import in_the_box
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.export.onnx_float import apply_recipe, to_onnx
from fmnist_edge.export.recipe import DYNAMIC, RECIPES
from fmnist_edge.runtime import open_runner
from fmnist_edge.train.keras_model import KerasRunner, load_keras_model

Network = Callable[..., keras.Model]
Answers = Callable[[str], npt.NDArray[np.float32]]

IN_ONNX = [name for name, recipe in RECIPES.items() if "onnx" not in recipe.refusals]


def loaded(exports: Path, recipe: str) -> Any:
    return onnx.load(exports / f"fmnist-compact-{recipe}.onnx")


def flat(x: Any) -> Any:
    return keras.layers.Flatten()(x)


@pytest.mark.parametrize("recipe", IN_ONNX)
def test_operator_set_and_ir_version_are_those_that_older_runtimes_read(recipe: str, exports: Path) -> None:
    model = loaded(exports, recipe)
    assert model.ir_version == 8
    domains = {entry.domain: entry.version for entry in model.opset_import}
    assert domains[""] == 17
    assert domains.get("com.microsoft", 1) == 1


@pytest.mark.parametrize("recipe", IN_ONNX)
def test_the_graph_takes_any_number_of_raw_pictures(recipe: str, exports: Path) -> None:
    graph = loaded(exports, recipe).graph
    described = [
        (
            value.name,
            value.type.tensor_type.elem_type,
            [dimension.dim_value for dimension in value.type.tensor_type.shape.dim][1:],
            value.type.tensor_type.shape.dim[0].HasField("dim_value"),
        )
        for value in (*graph.input, *graph.output)
    ]
    assert described == [
        ("pixels", onnx.TensorProto.UINT8, [28, 28], False),
        ("probabilities", onnx.TensorProto.FLOAT, [10], False),
    ]


@pytest.mark.parametrize("recipe", IN_ONNX)
def test_a_batch_gives_what_its_pictures_give_one_by_one(
    recipe: str, exports: Path, thousand: Split, answers: Answers
) -> None:
    with open_runner(exports / f"fmnist-compact-{recipe}.onnx") as runner:
        single = np.concatenate([runner.infer(thousand.images[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(single, answers(f"fmnist-compact-{recipe}.onnx")[:7], atol=2e-2)
    assert single.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-5)


def test_float32_gives_the_probabilities_of_keras(answers: Answers, compact_run: Path, thousand: Split) -> None:
    with KerasRunner.open(compact_run / "model.keras") as runner:
        expected = runner.infer(thousand.images)
    np.testing.assert_allclose(answers("fmnist-compact-float32.onnx"), expected, atol=1e-4)


@pytest.mark.parametrize(("recipe", "least"), [("float16", 0.995), ("dynamic", 0.98), ("int8", 0.97)])
def test_quantization_keeps_the_label(recipe: str, least: float, answers: Answers) -> None:
    float32, quantized = (answers(f"fmnist-compact-{name}.onnx") for name in ("float32", recipe))
    assert (float32.argmax(axis=1) == quantized.argmax(axis=1)).mean() >= least


def test_float16_stores_halves(exports: Path) -> None:
    large = [tensor for tensor in loaded(exports, "float16").graph.initializer if np.prod(tensor.dims) >= 100]
    assert len(large) == 11  # ten convolutions and the dense layer
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.FLOAT16}


def test_dynamic_stores_dense_weights_as_int8_and_leaves_convolutions_float(exports: Path) -> None:
    model = loaded(exports, "dynamic")
    kinds = [node.op_type for node in model.graph.node]
    assert "DynamicQuantizeLinear" in kinds
    assert "MatMulInteger" in kinds
    assert "MatMul" not in kinds
    assert kinds.count("Conv") == 10
    dense = [tensor for tensor in model.graph.initializer if list(tensor.dims) == [64, 10]]
    assert [tensor.data_type for tensor in dense] == [onnx.TensorProto.INT8]


class Erfinv(keras.layers.Layer):  # type: ignore[misc]
    """A layer that ONNX has no operator for."""

    def call(self, x: Any) -> Any:
        return keras.ops.erfinv(x / 2)


def test_a_layer_that_onnx_does_not_have_is_refused_by_name(network: Network) -> None:
    with pytest.raises(EdgeError, match="ONNX has no operator for Erfinv; next: use layers that ONNX has"):
        to_onnx(network(lambda x: flat(Erfinv()(x))))


def test_an_error_of_the_converter_becomes_one_of_ours(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> NoReturn:
        raise KeyError("keras_tensor_5")

    monkeypatch.setattr(convert, "from_function", fail)
    with pytest.raises(EdgeError, match="tf2onnx refused the model; got 'keras_tensor_5'; next: use layers that ONNX"):
        to_onnx(network(flat))


def test_how_many_conversions_there_were_before_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_keras_model(in_the_box("compact", ".keras"))
    files = []
    for number in (1, 864, 9_864):  # 864: on the way to 1000 it stopped folding where the places are flattened
        monkeypatch.setattr(utils, "INTERNAL_NAME", number)
        files.append(apply_recipe(to_onnx(model), RECIPES["float32"]))
    assert files[1:] == files[:1] * 2


def test_the_converters_are_not_heard_and_logging_stays_as_it_was(
    network: Network, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    loggers = [logging.getLogger(), logging.getLogger("tf2onnx")]
    before = [logger.level for logger in loggers]
    apply_recipe(to_onnx(network(flat)), DYNAMIC)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert [logger.level for logger in loggers] == before
