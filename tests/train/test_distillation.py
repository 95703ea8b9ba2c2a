"""Learning from a teacher: its answers to the changed pictures, mixed into the labels; and who may not teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from fmnist_edge.common.box import int8_model
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import load_split
from fmnist_edge.runtime import open_runner
from fmnist_edge.train.batches import training_batches
from fmnist_edge.train.distillation import Teacher, describe_teacher, find_teacher
from fmnist_edge.train.keras_model import load_keras_model
from fmnist_edge.train.options import TrainOptions

Layers = keras.layers


def constant_model(path: Path, answer: list[float]) -> str:
    """Save a model that answers `answer` to everything."""
    pixels = keras.Input((28, 28, 1))
    dense = Layers.Dense(len(answer), activation="softmax", kernel_initializer="zeros")
    model = keras.Model(pixels, dense(Layers.Flatten()(pixels)))
    dense.bias.assign(np.log(answer))
    model.save(path)
    return str(path)


def peaked(label: int, probability: float) -> list[float]:
    return [probability if index == label else (1 - probability) / 9 for index in range(10)]


def test_without_a_teacher_there_is_none() -> None:
    assert Teacher.of(TrainOptions()) is None


def test_the_mean_of_all_teachers_is_mixed_into_the_labels(tmp_path: Path) -> None:
    names = (
        constant_model(tmp_path / "a.keras", peaked(0, 0.55)),
        constant_model(tmp_path / "b.keras", peaked(1, 0.91)),
    )
    teacher = Teacher.of(TrainOptions(teacher=names, teacher_weight=0.4))
    assert teacher is not None
    labels = np.eye(10, dtype=np.float32)[[0, 2]]
    blended = np.asarray(teacher.blend(np.zeros((2, 28, 28, 1), np.float32), labels))
    # class 0: (0.55 + 0.01) / 2, class 1: (0.05 + 0.91) / 2, the others: (0.05 + 0.01) / 2
    answer = np.array([0.28, 0.48] + [0.03] * 8)
    np.testing.assert_allclose(blended, 0.6 * labels + 0.4 * answer, atol=1e-6)


def test_the_teacher_sees_the_changed_pictures(compact_run: Path) -> None:
    split = load_split("validation").first(100)
    options = TrainOptions(shift=2, erase=0.5, teacher=[str(compact_run / "model.keras")], teacher_weight=1.0)  # type: ignore[arg-type]
    ((pixels, shares),) = training_batches(split, options, epoch=1, teacher=Teacher.of(options))
    expected = load_keras_model(compact_run / "model.keras")(pixels, training=False)
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    ((plain, _),) = training_batches(split, replace(options, shift=0, erase=0.0), epoch=1, teacher=None)
    assert not np.array_equal(pixels, plain)


def test_where_pictures_are_mirrored_the_teacher_looks_at_both_sides(compact_run: Path) -> None:
    pixels = np.asarray(load_split("validation").first(50).images[..., np.newaxis], np.float32)
    options = TrainOptions(flip=True, teacher=(str(compact_run),), teacher_weight=1.0)
    teacher, nothing = Teacher.of(options), np.zeros((50, 10), np.float32)
    assert teacher is not None
    model = load_keras_model(compact_run / "model.keras")
    left, right = (np.asarray(model(side, training=False)) for side in (pixels, pixels[:, :, ::-1]))
    np.testing.assert_allclose(teacher.blend(pixels, nothing), (left + right) / 2, atol=1e-6)
    np.testing.assert_allclose(teacher.blend(pixels[:, :, ::-1], nothing), (left + right) / 2, atol=1e-6)
    assert np.abs(left - right).max() > 0.01


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_an_exported_model_teaches_and_sees_whole_numbers(suffix: str, int8_onnx: Path) -> None:
    path = int8_onnx.with_suffix(suffix)
    split = load_split("validation").first(60)
    options = TrainOptions(rotate=10, erase=0.5, teacher=(str(path),), teacher_weight=1.0, batch_size=20)
    batches = list(training_batches(split, options, epoch=1, teacher=Teacher.of(options)))
    assert len(batches) == 3
    for pixels, shares in batches:
        seen = np.rint(np.asarray(pixels)[..., 0]).astype(np.uint8)
        assert not np.array_equal(seen, np.asarray(pixels)[..., 0])  # turned pictures have values between
        with open_runner(path) as runner:
            np.testing.assert_allclose(shares, runner.infer(seen), atol=1e-6)


def test_a_teacher_is_a_file_a_run_or_a_network_in_the_box(compact_run: Path, tmp_path: Path) -> None:
    assert find_teacher("strong") == int8_model("strong")
    assert find_teacher(str(compact_run)) == compact_run / "model.keras"
    assert find_teacher("some/model.tflite") == Path("some/model.tflite")
    (tmp_path / "begun").mkdir()
    with pytest.raises(EdgeError, match=r"no trained model in .*begun; expected a model.keras; got none"):
        find_teacher(str(tmp_path / "begun"))


def test_a_teacher_is_described_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(b"a")
    name = str(tmp_path / "a.keras")
    assert describe_teacher([name]) == [{"file": name, "sha256": sha256_hex(b"a")}]


def test_a_teacher_with_other_classes_is_refused(tmp_path: Path) -> None:
    name = constant_model(tmp_path / "seven.keras", [1 / 7] * 7)
    expected = r"the teacher .*seven.keras has another number of classes; expected 10, as in Fashion-MNIST; got 7"
    with pytest.raises(EdgeError, match=expected):
        Teacher.of(TrainOptions(teacher=(name,)))


def test_a_teacher_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none.keras; expected a .keras file; got nothing"):
        Teacher.of(TrainOptions(teacher=(str(tmp_path / "none.keras"),)))
