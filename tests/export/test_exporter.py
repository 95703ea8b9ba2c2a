"""From a run to finished files: names, cards, the same bytes each time, and nothing half done."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from keras import layers

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import LABELS, Split, load_split, splits
from fmnist_edge.dataset.sources import DATASET_SHA256, TEST_IMAGES, TEST_LABELS, DataFile
from fmnist_edge.export import exporter, onnx_int8, tflite
from fmnist_edge.export.agreement import Agreement
from fmnist_edge.export.calibration import Calibration
from fmnist_edge.export.exporter import export
from fmnist_edge.export.int8 import Candidate, Int8Network
from fmnist_edge.export.recipe import (
    DYNAMIC,
    FLOAT16,
    FLOAT32,
    FORMATS,
    INT8,
    INT16X8,
    RECIPES,
    Format,
    Recipe,
    possible_pairs,
)
from fmnist_edge.export.signing import Signer
from fmnist_edge.runtime import open_runner
from fmnist_edge.runtime.card import ModelCard, read_onnx_card, read_tflite_card
from fmnist_edge.runtime.trust import Trust
from fmnist_edge.train.keras_model import KerasRunner

from .onnx_models import half_quantized

Network = Callable[..., keras.Model]
PAIRS = possible_pairs(list(RECIPES.values()), FORMATS)
NAMES = [f"fmnist-compact-{recipe.name}.{kind}" for recipe, kind in PAIRS]

EXPORT_ALL = """
import sys
from pathlib import Path
from fmnist_edge.export import require_converters
require_converters()
from fmnist_edge.export.exporter import export
from fmnist_edge.export.agreement import Agreement
from fmnist_edge.export.int8 import Candidate, Int8Network
from fmnist_edge.export.recipe import FORMATS, RECIPES
export(Path(sys.argv[1]), list(RECIPES.values()), FORMATS, Path(sys.argv[2]))
"""


def read_card(path: Path) -> ModelCard:
    if path.suffix == ".tflite":
        return read_tflite_card(path)
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return read_onnx_card(metadata, source=str(path))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def flat(x: Any) -> Any:
    return layers.Flatten()(x)


# --- the files --------------------------------------------------------------------------------------------------------


def test_every_recipe_and_format_gives_one_file_under_the_promised_name(exports: Path) -> None:
    assert sorted(path.name for path in exports.iterdir()) == sorted(NAMES)


def test_what_was_written_is_returned_and_told(compact_run: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    written = export(
        compact_run, [FLOAT16, FLOAT32], ["tflite"], tmp_path / "out", progress=lambda *step: told.append(step)
    )
    assert [(file.recipe, file.format, file.path.name) for file in written] == [
        ("float16", "tflite", "fmnist-compact-float16.tflite"),
        ("float32", "tflite", "fmnist-compact-float32.tflite"),
    ]
    assert [file.size_bytes for file in written] == [file.path.stat().st_size for file in written]
    assert told == [
        ("exporting fmnist-compact-float16.tflite", 0, 1),
        ("exporting fmnist-compact-float16.tflite", 1, 1),
        ("exporting fmnist-compact-float32.tflite", 0, 1),
        ("exporting fmnist-compact-float32.tflite", 1, 1),
    ]


@pytest.mark.parametrize(("recipe", "kind", "most"), [("float16", "onnx", 0.55), ("int8", "onnx", 0.35)])
def test_a_smaller_type_gives_a_smaller_file(recipe: str, kind: str, most: float, exports: Path) -> None:
    sizes = [(exports / f"fmnist-compact-{name}.{kind}").stat().st_size for name in (recipe, "float32")]
    assert sizes[0] < most * sizes[1]


def test_the_same_model_gives_the_same_bytes_again(exports: Path, compact_run: Path, tmp_path: Path) -> None:
    export(compact_run, list(RECIPES.values()), FORMATS, tmp_path)
    assert digests(tmp_path) == digests(exports)


def test_the_same_model_gives_the_same_bytes_in_another_process(
    exports: Path, compact_run: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", EXPORT_ALL, str(compact_run), str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONHASHSEED": "7"}
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert digests(tmp_path / "out") == digests(exports)


# --- the card ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_the_file_is_and_where_it_comes_from(name: str, exports: Path, compact_run: Path) -> None:
    path = exports / name
    card = read_card(path)
    config = json.loads((compact_run / "config.json").read_text())
    metrics = json.loads((compact_run / "metrics.json").read_text())
    assert (card.name, card.arch, card.recipe) == (path.stem, "compact", path.stem.rsplit("-", 1)[1])
    assert card.labels == LABELS
    assert (card.input["name"], card.input["dtype"], card.input["shape"]) == ("pixels", "uint8", ["n", 28, 28])
    assert (card.output["name"], card.output["dtype"], card.output["shape"]) == ("probabilities", "float32", ["n", 10])
    assert card.training == {
        "options": config["options"],
        "versions": config["versions"],
        "dataset_sha256": DATASET_SHA256,
        "validation_accuracy": metrics["validation"]["accuracy"],
    }
    assert card.versions["onnx"] == onnx.__version__
    assert card.versions["keras"] == keras.__version__
    assert (card.calibration is not None) == RECIPES[card.recipe].calibrated
    assert card.confidence is not None
    assert (card.confidence["split"], card.confidence["n"]) == ("validation", 5_000)
    assert card.confidence["error"] == pytest.approx(1 - metrics["validation"]["accuracy"], abs=1e-3)
    assert card.confidence["error_when_sure"] <= card.confidence["error"] / 2


@pytest.mark.parametrize("name", NAMES)
def test_the_card_holds_the_hash_of_the_graph_before_it(name: str, exports: Path) -> None:
    content = (exports / name).read_bytes()
    card = read_card(exports / name)
    assert 0 < card.graph_bytes < len(content)
    assert card.graph_sha256 == hashlib.sha256(content[: card.graph_bytes]).hexdigest()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_card_of_int8_names_the_calibration_images(kind: Format, exports: Path, train_split: Split) -> None:
    calibration = read_card(exports / f"fmnist-compact-int8.{kind}").calibration
    assert calibration is not None
    assert (calibration["split"], calibration["count"], calibration["seed"]) == ("train", 500, 0)
    assert calibration["dataset_sha256"] == DATASET_SHA256
    indices = set(calibration["indices"])
    assert len(indices) == 500
    assert indices <= set(train_split.indices.tolist())
    assert not indices & set(load_split("validation").indices.tolist())
    again = Calibration.choose(train_split, count=500, seed=0).split.indices
    assert again.tolist() == calibration["indices"]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_card_of_int8_tells_what_the_logits_were_measured_on(kind: Format, exports: Path) -> None:
    calibration = read_card(exports / f"fmnist-compact-int8.{kind}").calibration
    assert calibration is not None
    assert calibration["logits"] == {
        "method": "runner-up range",
        "split": "train",
        "count": 3_000,
        "seed": 1,
        "dataset_sha256": DATASET_SHA256,
    }


def test_a_model_that_lies_in_no_run_is_exported_without_provenance(compact_run: Path, tmp_path: Path) -> None:
    shutil.copyfile(compact_run / "model.keras", tmp_path / "model.keras")
    (file,) = export(tmp_path / "model.keras", [FLOAT32], ["tflite"], tmp_path / "out")
    assert read_card(file.path).training is None


def test_a_model_beside_a_run_does_not_take_its_provenance(compact_run: Path, tmp_path: Path) -> None:
    shutil.copytree(compact_run, tmp_path / "run")
    other = shutil.copyfile(compact_run / "model.keras", tmp_path / "run" / "other.keras")
    (file,) = export(other, [FLOAT32], ["tflite"], tmp_path / "out")
    assert read_card(file.path).training is None


def test_the_test_images_are_not_read(compact_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[DataFile] = set()
    load_payload = splits.load_payload

    def record(folder: Path, file: DataFile) -> bytes:
        read.add(file)
        return load_payload(folder, file)

    monkeypatch.setattr(splits, "load_payload", record)
    export(compact_run, [INT8], FORMATS, tmp_path)
    assert read
    assert not read & {TEST_IMAGES, TEST_LABELS}


# --- the audit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_the_card_of_int8_tells_how_far_each_layer_strays(kind: Format, exports: Path) -> None:
    ratios = read_card(exports / f"fmnist-compact-int8.{kind}").sqnr_db
    assert ratios is not None
    assert list(ratios.values()) == sorted(ratios.values())
    assert any("stem" in name for name in ratios)
    assert all(10 < ratio < 60 and ratio == round(ratio, 1) for ratio in ratios.values())
    assert read_card(exports / f"fmnist-compact-dynamic.{kind}").sqnr_db is None


def test_every_file_that_was_written_carries_its_inspection(compact_run: Path, tmp_path: Path) -> None:
    written = export(compact_run, [INT8, FLOAT32], FORMATS, tmp_path)
    assert [file.inspection.name for file in written] == [file.path.name for file in written]
    assert [file.inspection.arithmetic for file in written] == ["int8", "int8", "float32", "float32"]
    assert all(file.inspection.as_audit()["layers_in_arithmetic"] == 11 for file in written)
    assert all(file.inspection.card == read_card(file.path) for file in written)


def float_onnx(content: bytes, *, target: str) -> bytes:
    """Make, in the place of the translation, a graph with a convolution that stays float."""
    with tempfile.TemporaryDirectory() as folder:
        return half_quantized(Path(folder) / "half.onnx").read_bytes()


def test_an_int8_onnx_file_with_a_float_convolution_is_not_written(
    compact_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_int8, "translate", float_onnx)
    match = r"^fmnist-compact-int8.onnx was not written; expected every .* layer in int8; got conv2.* runs in float32"
    with pytest.raises(EdgeError, match=match) as refused:
        export(compact_run, [INT8], ["onnx"], tmp_path)
    assert refused.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_an_int8_tflite_file_with_float_layers_is_not_written(
    compact_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay_float(model: keras.Model, *shared: Any, **options: object) -> Int8Network:
        float_network = tflite.convert_scaled(model)
        chosen = Candidate("none", 0.0, tflite.convert_float(model, FLOAT32), float_network.content)
        return Int8Network(chosen, {}, Agreement(1.0, 0.0), False, float_network.scaling)

    monkeypatch.setattr(exporter, "quantize", stay_float)
    with pytest.raises(EdgeError, match=r"got compact.*stem.* \(CONV_2D\) runs in float32, .*, and 10 more") as refused:
        export(compact_run, [INT8], ["tflite"], tmp_path)
    assert refused.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_with_nothing_but_logits_has_no_layer_to_compare(network: Network, tmp_path: Path) -> None:
    network(flat).save(tmp_path / "tiny.keras")
    (file,) = export(tmp_path / "tiny.keras", [INT8], ["onnx"], tmp_path / "out")
    assert read_card(file.path).sqnr_db == {}
    with pytest.raises(EdgeError, match="compare with --float32"):
        export(tmp_path / "tiny.keras", [INT8], ["onnx"], tmp_path / "gated", max_drop_points=-50)


# --- whole or absent --------------------------------------------------------------------------------------------------


def test_a_file_that_exists_is_kept(compact_run: Path, tmp_path: Path) -> None:
    precious = tmp_path / "fmnist-compact-dynamic.tflite"
    precious.write_text("precious")
    with pytest.raises(EdgeError, match=r"fmnist-compact-dynamic.tflite exists; next: name another --out, .*--force"):
        export(compact_run, [FLOAT32, DYNAMIC], ["tflite"], tmp_path)
    assert precious.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [precious]


def test_a_file_that_exists_is_replaced_by_force(compact_run: Path, exports: Path, tmp_path: Path) -> None:
    name = "fmnist-compact-dynamic.tflite"
    (tmp_path / name).write_text("stale")
    export(compact_run, [DYNAMIC], ["tflite"], tmp_path, force=True)
    assert (tmp_path / name).read_bytes() == (exports / name).read_bytes()


def interrupt(*arguments: object, **options: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("owner", "name"), [(onnx_int8, "translate"), (os, "fsync")], ids=["converting", "writing"])
def test_an_interruption_leaves_nothing(
    owner: Any, name: str, compact_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(compact_run, [INT8], ["onnx"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_the_file_that_was_there(
    compact_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "fmnist-compact-float32.tflite"
    precious.write_text("precious")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(compact_run, [FLOAT32], ["tflite"], tmp_path, force=True)
    assert list(tmp_path.iterdir()) == [precious]
    assert precious.read_text() == "precious"


# --- what cannot be exported ------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="tests.export")
class Erfinv(keras.layers.Layer):  # type: ignore[misc]
    """A layer that neither format has an operator for."""

    def call(self, x: Any) -> Any:
        return keras.ops.erfinv(x / 2)


def with_bias(model: keras.Model, value: float) -> keras.Model:
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.full_like(bias, value)])
    return model


UNUSABLE: dict[str, tuple[Callable[[Network], keras.Model], Recipe, Format, str]] = {
    "NaN": (
        lambda build: with_bias(build(flat), np.nan),
        FLOAT32,
        "onnx",
        "has weights that are no numbers in dense.*/bias",
    ),
    "infinite, int16x8": (
        lambda build: with_bias(build(flat), np.inf),
        INT16X8,
        "tflite",
        "has weights that are no numbers in dense.*/bias",
    ),
    "11 classes": (
        lambda build: build(flat, classes=11),
        FLOAT32,
        "onnx",
        "has another number of classes; expected 10, as in Fashion-MNIST; got 11",
    ),
    "logits, float32": (
        lambda build: build(flat, activation=None),
        FLOAT32,
        "onnx",
        "does not answer in probabilities",
    ),
    "logits, int8": (lambda build: build(flat, activation=None), INT8, "tflite", "does not answer in probabilities"),
    "other layer, onnx": (lambda build: build(lambda x: flat(Erfinv()(x))), FLOAT32, "onnx", "no operator for Erfinv"),
    "other layer, tflite": (
        lambda build: build(lambda x: flat(Erfinv()(x))),
        INT8,
        "tflite",
        "the TFLite converter refused the model; got .*Erfinv",
    ),
    "average pooling, int8 onnx": (
        lambda build: build(lambda x: flat(layers.AveragePooling2D(2)(layers.Conv2D(4, 3)(x)))),
        INT8,
        "onnx",
        "no int8 ONNX operator for AVERAGE_POOL_2D",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_model_that_cannot_be_exported_is_refused_and_leaves_nothing(
    name: str, network: Network, tmp_path: Path
) -> None:
    build, recipe, kind, message = UNUSABLE[name]
    build(network).save(tmp_path / "tiny.keras")
    with pytest.raises(EdgeError, match=message):
        export(tmp_path / "tiny.keras", [recipe], [kind], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


CONSTANT: dict[str, dict[str, Any]] = {
    "always 0": {"kernel_initializer": "zeros"},
    "always 1": {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(1.0)},
    "never above 0": {"bias_initializer": keras.initializers.Constant(-9.0), "activation": "relu"},
}


@pytest.mark.parametrize("recipe", [INT8, INT16X8], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("name", CONSTANT)
def test_a_layer_that_always_answers_the_same_is_exported_right(
    name: str, recipe: Recipe, network: Network, thousand: Split, tmp_path: Path
) -> None:
    model = network(layers.Conv2D(4, 3, **CONSTANT[name]))
    model.save(tmp_path / "tiny.keras")
    expected = KerasRunner(model).infer(thousand.images[:20])
    (written,) = export(tmp_path / "tiny.keras", [recipe], ["tflite"], tmp_path / "out")
    with open_runner(written.path) as runner:
        np.testing.assert_allclose(runner.infer(thousand.images[:20]), expected, atol=0.02)


def test_a_folder_that_cannot_be_written_is_refused(compact_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EdgeError, match=r"cannot make folder .*file"):
        export(compact_run, [FLOAT32], ["tflite"], tmp_path / "file")


def test_a_model_that_is_not_there_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no model at .*none.keras"):
        export(tmp_path / "none.keras", [FLOAT32], ["tflite"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_exported_is_signed_at_once(compact_run: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    written = export(compact_run, [RECIPES["float32"]], ["tflite"], tmp_path, signer=Signer(key))
    (tmp_path / "maker.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with open_runner(written[0].path, trust=Trust(signed_by=tmp_path / "maker.pub")) as runner:
        assert runner.card is not None


def test_c_source_is_not_signed(compact_run: Path, tmp_path: Path) -> None:
    signer = Signer(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(EdgeError, match=r"C source is not signed; next: leave --sign-key out; sign the firmware"):
        export(compact_run, [RECIPES["int8"]], ["c"], tmp_path, signer=signer)
    assert list(tmp_path.iterdir()) == []
