"""Loading a trained Keras model safely, and running it like an exported one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.train.keras_model import KerasRunner, check_shapes, load_keras_model

Layers = keras.layers


def dense_model(*, shape: tuple[int, ...] = (28, 28, 1), classes: int = 10) -> keras.Model:
    pixels = keras.Input(shape)
    return keras.Model(pixels, Layers.Dense(classes, activation="softmax")(Layers.Flatten()(pixels)))


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def write_lambda(path: Path) -> None:
    pixels = keras.Input((28, 28, 1))
    doubled = Layers.Lambda(lambda x: x * 2)(pixels)
    keras.Model(pixels, Layers.Dense(10)(Layers.Flatten()(doubled))).save(path)


def write_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(64 << 20))


def write_many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(101):
            archive.writestr(f"assets/{number}", "")


def write_outside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("assets/../../x", "")


def write_call(path: Path) -> None:
    """Write a model whose configuration names a function of Python's own, which would leave a file behind."""
    dense_model().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    arguments = [f"open({str(path.with_name('pwned'))!r}, 'w')"]
    call = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer["config"]["activation"] = call
            layer["config"]["kernel_initializer"] = {**call, "class_name": "exec", "config": {"args": arguments}}
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_damaged_list(path: Path) -> None:
    dense_model().save(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"PK\x01\x02", b"PK\x01\x03"))


UNLOADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot read .*x.keras; expected a .keras file; got nothing"),
    "a folder": (lambda path: path.mkdir(), "cannot read .*x.keras; expected a .keras file; got a folder"),
    "empty": (lambda path: path.write_bytes(b""), "cannot load .*got 0 bytes that are no zip archive"),
    "text": (lambda path: path.write_text("hello"), "cannot load .*got 5 bytes that are no zip archive"),
    "another zip": (write_zip, "cannot load .*x.keras; expected a Keras 3 model; got "),
    "code inside": (write_lambda, "cannot load .*x.keras; expected a Keras 3 model; got .*[Ll]ambda"),
    "a bomb": (write_bomb, r"cannot load .*; expected at most 100 files of .* inside; got 1 files of 67,108,864 bytes"),
    "many files": (write_many, "cannot load .*; expected at most 100 files of .* inside; got 101 files of 0 bytes"),
    "a way out": (write_outside, r"cannot load .*; expected at most 100 files .*; got 'assets/\.\./\.\./x'"),
    "a call": (write_call, "cannot load .*x.keras; expected a Keras 3 model; got "),
    "a damaged list": (write_damaged_list, "cannot load .*x.keras; expected a whole .keras file; got Bad magic number"),
    "other input": (lambda path: dense_model(shape=(32, 32, 3)).save(path), r"other shapes; .*got \(None, 32, 32, 3\)"),
}


@pytest.mark.parametrize("kind", UNLOADABLE)
def test_what_cannot_be_loaded_is_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    make, message = UNLOADABLE[kind]
    make(tmp_path / "x.keras")
    with pytest.raises(EdgeError, match=message):
        load_keras_model(tmp_path / "x.keras")
    assert {entry.name for entry in tmp_path.iterdir()} <= {"x.keras"}  # nothing was run


def test_a_truncated_model_is_refused(compact_run: Path, tmp_path: Path) -> None:
    content = (compact_run / "model.keras").read_bytes()
    (tmp_path / "x.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(EdgeError, match=r"cannot load .*expected a whole .keras file; got [\d,]+ bytes"):
        load_keras_model(tmp_path / "x.keras")


def two_inputs() -> keras.Model:
    left, right = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
    return keras.Model([left, right], Layers.Dense(10)(Layers.Flatten()(Layers.Add()([left, right]))))


def two_outputs() -> keras.Model:
    flat = Layers.Flatten()(pixels := keras.Input((28, 28, 1)))
    return keras.Model(pixels, [Layers.Dense(10)(flat), Layers.Dense(10)(flat)])


def picture_output() -> keras.Model:
    pixels = keras.Input((28, 28, 1))
    return keras.Model(pixels, Layers.Conv2D(1, 3)(pixels))


@pytest.mark.parametrize(
    "build",
    [
        lambda: dense_model(shape=(28, 28)),
        lambda: dense_model(shape=(784,)),
        two_inputs,
        two_outputs,
        picture_output,
        keras.Sequential,
    ],
)
def test_other_shapes_are_refused(build: Callable[[], keras.Model]) -> None:
    expected = r"it has other shapes; expected \(None, 28, 28, 1\) -> \(None, classes\); got "
    with pytest.raises(EdgeError, match=expected):
        check_shapes(build(), "it")


@pytest.mark.parametrize("classes", [2, 10, 11])
def test_any_number_of_classes_fits(classes: int) -> None:
    model = dense_model(classes=classes)
    check_shapes(model, "it")
    assert KerasRunner(model).classes == classes


def test_the_runner_answers_no_images_with_no_rows() -> None:
    probabilities = KerasRunner(dense_model()).infer(np.zeros((0, 28, 28), np.uint8))
    assert (probabilities.shape, probabilities.dtype) == ((0, 10), np.float32)


@pytest.mark.parametrize("count", [1, 251])
def test_the_runner_answers_every_image_as_the_model_does(count: int, compact_run: Path, test_split: Split) -> None:
    images = test_split.images[:count]
    with KerasRunner.open(compact_run / "model.keras") as runner:
        assert (runner.name, runner.format, runner.classes) == ("model", "keras", 10)
        probabilities = runner.infer(images)
    assert (probabilities.shape, probabilities.dtype) == ((count, 10), np.float32)
    model = load_keras_model(compact_run / "model.keras")
    expected = keras.ops.convert_to_numpy(model(images[..., np.newaxis].astype(np.float32)))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_closed_runner_has_let_go_of_the_model() -> None:
    with KerasRunner(dense_model()) as runner:
        pass
    with pytest.raises(AttributeError, match="_model"):
        runner.infer(np.zeros((1, 28, 28), np.uint8))
