"""Learning from a teacher: what it answers, which pictures it sees, and who may not teach."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge.common.box import int8_model
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex, write_json
from fmnist_edge.dataset import load_split
from fmnist_edge.dataset.folds import Fold
from fmnist_edge.runtime import open_runner
from fmnist_edge.train.distillation import Teachers, describe_teacher, find_teacher, teacher_answers
from fmnist_edge.train.keras_model import load_keras_model
from fmnist_edge.train.options import TrainOptions

Layers = keras.layers
SPLIT = load_split("validation").first(60)
IMAGES = SPLIT.images


def pixels_of(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return images[..., np.newaxis].astype(np.float32)


def answers_of(options: TrainOptions) -> npt.NDArray[np.float32]:
    answers = teacher_answers(options, SPLIT)
    assert answers is not None
    assert answers.dtype == np.float32
    return answers


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
    assert teacher_answers(TrainOptions(), SPLIT) is None


def test_the_mean_of_all_teachers_is_the_answer(tmp_path: Path) -> None:
    names = (
        constant_model(tmp_path / "a.keras", peaked(0, 0.55)),
        constant_model(tmp_path / "b.keras", peaked(1, 0.91)),
    )
    # class 0: (0.55 + 0.01) / 2, class 1: (0.05 + 0.91) / 2, the others: (0.05 + 0.01) / 2
    expected = np.tile(np.array([0.28, 0.48] + [0.03] * 8), (len(IMAGES), 1))
    np.testing.assert_allclose(answers_of(TrainOptions(teacher=names)), expected, atol=1e-6)


def test_the_teacher_sees_every_picture_once_as_it_is(compact_run: Path) -> None:
    told: list[tuple[str, int, int]] = []
    split = load_split("validation").first(300)
    options = TrainOptions(shift=2, erase=0.5, teacher=(str(compact_run),))
    answers = teacher_answers(options, split, lambda *step: told.append(step))
    model = load_keras_model(compact_run / "model.keras")
    np.testing.assert_allclose(answers, model(pixels_of(split.images), training=False), atol=1e-5)
    assert told == [("asking the teacher", 250, 300), ("asking the teacher", 300, 300)]


def test_where_pictures_are_mirrored_the_teacher_looks_at_both_sides(compact_run: Path) -> None:
    options = TrainOptions(flip=True, teacher=(str(compact_run),))
    model = load_keras_model(compact_run / "model.keras")
    left, right = (np.asarray(model(pixels_of(side), training=False)) for side in (IMAGES, IMAGES[:, :, ::-1]))
    np.testing.assert_allclose(answers_of(options), (left + right) / 2, atol=1e-6)
    assert np.abs(left - right).max() > 0.01


def test_a_teacher_is_made_less_sure_by_its_temperature(int8_onnx: Path) -> None:
    with open_runner(int8_onnx) as runner:
        logits = np.log(runner.infer(IMAGES).astype(np.float64))
    softened = np.exp(logits / 1.5) / np.exp(logits / 1.5).sum(axis=1, keepdims=True)
    options = TrainOptions(teacher=(str(int8_onnx),), teacher_temperature=1.5)
    np.testing.assert_allclose(answers_of(options), softened, atol=1e-5)


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_consistent_teacher_is_made_less_sure_too(tmp_path: Path, in_turn: bool) -> None:
    name = constant_model(tmp_path / "a.keras", peaked(0, 0.64))  # at a temperature of 2: 0.8 and nine times 0.2
    options = TrainOptions(teacher=(name,), consistent_teacher=True, teachers_in_turn=in_turn, teacher_temperature=2)
    with Teachers.open(options) as teachers:
        answers = teachers(IMAGES)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, [[0.8 / 2.6] + [0.2 / 2.6] * 9] * len(IMAGES), atol=1e-6)


def run_without(fold: str | None, folder: Path, answer: list[float]) -> str:
    """Make a run folder whose model left out a fold and answers `answer` to everything."""
    folder.mkdir()
    constant_model(folder / "model.keras", answer)
    write_json(folder / "config.json", {"options": asdict(TrainOptions(fold=fold))})
    return str(folder)


def test_a_teacher_that_left_out_a_fold_is_asked_about_that_only(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    names = (
        run_without("1/2", tmp_path / "a", peaked(0, 0.91)),
        run_without("2/2", tmp_path / "b", peaked(1, 0.91)),
        run_without(None, tmp_path / "c", peaked(2, 0.91)),
    )
    answers = teacher_answers(TrainOptions(teacher=names), SPLIT, lambda *step: told.append(step))
    even = SPLIT.indices % 2 == 0
    assert 0 < even.sum() < 60
    first, second = (np.array(row + [0.01] * 7) for row in ([0.46, 0.01, 0.46], [0.01, 0.46, 0.46]))
    np.testing.assert_allclose(answers, np.where(even[:, np.newaxis], first, second), atol=1e-6)
    assert [step[1:] for step in told] == [(even.sum(), 120), (60, 120), (120, 120)]


def test_a_teacher_whose_fold_the_training_leaves_out_too_is_asked_about_everything(tmp_path: Path) -> None:
    name = run_without("1/2", tmp_path / "a", peaked(3, 0.91))
    rest = SPLIT.without(Fold(1, 2))
    answers = teacher_answers(TrainOptions(teacher=(name,), fold="1/2"), rest)
    np.testing.assert_allclose(answers, [peaked(3, 0.91)] * len(rest), atol=1e-6)
    with pytest.raises(EdgeError, match=f"no teacher left out {len(rest)} of the {len(rest)} images"):
        teacher_answers(TrainOptions(teacher=(name,)), rest)


def test_of_three_folds_two_cannot_teach(tmp_path: Path) -> None:
    names = tuple(run_without(f"{number}/3", tmp_path / str(number), peaked(number, 0.91)) for number in (1, 3))
    left = int((SPLIT.indices % 3 == 1).sum())
    expected = (
        rf"no teacher left out {left} of the 60 images; expected one for each; got teachers of some folds; next: "
    )
    with pytest.raises(EdgeError, match=expected):
        teacher_answers(TrainOptions(teacher=names), SPLIT)


def test_teachers_that_stay_open_answer_with_their_mean(int8_onnx: Path, tmp_path: Path) -> None:
    one = constant_model(tmp_path / "a.keras", peaked(0, 0.55))
    with Teachers.open(TrainOptions(teacher=(one, str(int8_onnx)))) as teachers, open_runner(int8_onnx) as runner:
        answers = teachers(IMAGES)
        assert answers.dtype == np.float32
        np.testing.assert_allclose(answers, (np.array(peaked(0, 0.55)) + runner.infer(IMAGES)) / 2, atol=1e-6)


def test_teachers_in_turn_are_each_asked_about_pictures_of_their_own(tmp_path: Path, int8_onnx: Path) -> None:
    one, other = (constant_model(tmp_path / f"{label}.keras", peaked(label, 0.55)) for label in (0, 7))
    options = TrainOptions(teacher=(one, str(int8_onnx), other), consistent_teacher=True, teachers_in_turn=True)
    with Teachers.open(options) as teachers, open_runner(int8_onnx) as runner:
        answers = teachers(IMAGES)
        np.testing.assert_allclose(answers[0::3], [peaked(0, 0.55)] * len(IMAGES[0::3]), atol=1e-6)
        np.testing.assert_array_equal(answers[1::3], runner.infer(IMAGES[1::3]))
        np.testing.assert_allclose(answers[2::3], [peaked(7, 0.55)] * len(IMAGES[2::3]), atol=1e-6)
        assert teachers(IMAGES[:1]).shape == (1, 10)  # fewer pictures than teachers


def test_a_teacher_of_a_fold_cannot_be_asked_about_mixed_pictures(tmp_path: Path) -> None:
    name = run_without("1/2", tmp_path / "a", peaked(3, 0.91))
    expected = r"model.keras consistently; expected no fold left out; got one without 1/2; next: add --ask-once"
    with pytest.raises(EdgeError, match=expected):
        Teachers.open(TrainOptions(teacher=(name,)))
    with Teachers.open(TrainOptions(teacher=(name,), fold="1/2")) as teachers:
        np.testing.assert_allclose(teachers(IMAGES), [peaked(3, 0.91)] * len(IMAGES), atol=1e-6)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_an_exported_model_teaches(suffix: str, int8_onnx: Path) -> None:
    path = int8_onnx.with_suffix(suffix)
    with open_runner(path) as runner:
        np.testing.assert_allclose(answers_of(TrainOptions(teacher=(str(path),))), runner.infer(IMAGES), atol=1e-6)


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
        teacher_answers(TrainOptions(teacher=(name,)), SPLIT)


def test_no_teacher_is_asked_before_all_are_found_fit(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    names = (constant_model(tmp_path / "a.keras", peaked(0, 0.91)), str(tmp_path / "none.keras"))
    with pytest.raises(EdgeError, match=r"cannot read .*none.keras"):
        teacher_answers(TrainOptions(teacher=names), SPLIT, lambda *step: told.append(step))
    assert not told


def test_a_teacher_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none.keras; expected a .keras file; got nothing"):
        teacher_answers(TrainOptions(teacher=(str(tmp_path / "none.keras"),)), SPLIT)
