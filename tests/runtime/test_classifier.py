"""What a maker sees: a model file, a picture, an answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fmnist_edge import EdgeError
from fmnist_edge.common import box
from fmnist_edge.dataset import LABELS, Split
from fmnist_edge.runtime import Classifier, Prediction
from fmnist_edge.runtime.backend import Backend
from fmnist_edge.runtime.confidence import DEFAULT, Confidence
from fmnist_edge.runtime.picture import Picture, prepare

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


@pytest.fixture(scope="module", params=["onnx", "tflite"])
def classifier(request: pytest.FixtureRequest, exports: Path) -> Iterator[Classifier]:
    backend: Backend = "litert" if request.param == "tflite" else "onnxruntime"
    with Classifier(exports / f"fmnist-compact-int8.{request.param}", backend=backend) as opened:
        yield opened


def test_the_answer_is_the_most_probable_class_and_mostly_the_right_one(
    classifier: Classifier, test_split: Split
) -> None:
    right = 0
    for pixels, label in zip(test_split.images[:100], test_split.labels, strict=False):
        prediction = classifier.predict(pixels)
        assert prediction.label == LABELS[prediction.index]
        assert prediction.probability == prediction.probabilities[prediction.index] == max(prediction.probabilities)
        assert prediction.labels == classifier.labels == LABELS
        right += prediction.index == label
    assert right > 60  # two epochs on 4,000 images teach about 75


@pytest.mark.parametrize(
    "give",
    [str, Path.read_bytes, Image.open, lambda png: np.asarray(Image.open(png))],
    ids=["string", "bytes", "image", "array"],
)
def test_a_picture_gives_one_answer_however_it_is_given(
    classifier: Classifier, png: Path, give: Callable[[Path], Picture]
) -> None:
    assert classifier.predict(give(png)) == classifier.predict(png)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_arrays_of_any_size_and_channels_are_classified_alike(classifier: Classifier, png: Path, mode: str) -> None:
    large = Image.open(png).resize((280, 280), Image.Resampling.NEAREST)
    assert classifier.predict(np.asarray(large.convert(mode))) == classifier.predict(large)


def test_a_batch_gives_the_answers_of_its_pictures_in_order(
    classifier: Classifier, png: Path, test_split: Split
) -> None:
    pictures: list[Picture] = [png, *test_split.images[1:4], png.read_bytes()]
    together = classifier.predict_batch(iter(pictures))
    singly = [classifier.predict(picture) for picture in pictures]
    assert [answer.label for answer in together] == [answer.label for answer in singly]
    for left, right in zip(together, singly, strict=True):
        assert left.probabilities == pytest.approx(right.probabilities, abs=1e-6)
    assert together[0] == together[-1]


@pytest.mark.parametrize("pictures", [[], iter(())])
def test_an_empty_batch_is_an_error(classifier: Classifier, pictures: list[Picture]) -> None:
    with pytest.raises(EdgeError, match="nothing to classify; expected at least one picture; got none"):
        classifier.predict_batch(pictures)


def test_one_bad_picture_in_a_batch_is_named(classifier: Classifier, png: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*absent\.png"):
        classifier.predict_batch([png, png.with_name("absent.png")])


def test_an_unusable_model_or_picture_is_an_error(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"no file at absent\.onnx; next: "):
        Classifier("absent.onnx")
    with pytest.raises(EdgeError, match=r"cannot read .*absent\.png; expected a picture"):
        classifier.predict(tmp_path / "absent.png")


def test_a_closed_classifier_has_let_go_of_its_model(int8_onnx: Path, test_split: Split) -> None:
    with Classifier(str(int8_onnx), threads=2) as opened:
        opened.predict(test_split.images[0])
    with pytest.raises(AttributeError):
        opened.predict(test_split.images[0])


@pytest.mark.parametrize(("count", "length"), [(0, 0), (1, 1), (3, 3), (10, 10), (99, 10)])
def test_the_top_classes_come_most_probable_first(
    classifier: Classifier, test_split: Split, count: int, length: int
) -> None:
    prediction = classifier.predict(test_split.images[12])
    top = prediction.top(count)
    probabilities = [probability for _, probability in top]
    assert len(top) == len(dict(top)) == length
    assert probabilities == sorted(prediction.probabilities, reverse=True)[:length]
    assert all(probability == prediction.probabilities[LABELS.index(label)] for label, probability in top)
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)


def test_equal_classes_are_told_in_label_order() -> None:
    row: npt.NDArray[np.float32] = np.array([0.25, 0.5, 0.25], np.float32)
    prediction = Prediction.of(row, ("Bag", "Coat", "Dress"))
    assert prediction == Prediction("Coat", 1, 0.5, (0.25, 0.5, 0.25), ("Bag", "Coat", "Dress"), 0.5, unsure=False)
    assert prediction.top(3) == [("Coat", 0.5), ("Bag", 0.25), ("Dress", 0.25)]


# --- photos and trust ------------------------------------------------------------------------------------------------


def test_a_photo_is_judged_by_the_mean_of_its_views(classifier: Classifier) -> None:
    photo = PHOTOS / "dress-001.jpg"
    views = prepare(photo).views
    assert len(views) > 1
    mean = np.mean([classifier.predict(view).probabilities for view in views], axis=0)
    said = classifier.predict(photo)
    assert said.probabilities == pytest.approx(mean, abs=1e-5)
    assert said.index == mean.argmax()
    assert classifier.predict_batch([views[0], photo, views[1]])[1].probabilities == pytest.approx(mean, abs=1e-5)


def test_the_kind_of_a_picture_decides_what_is_done_with_it(classifier: Classifier, png: Path) -> None:
    with Image.open(png) as image:
        pixels = np.asarray(image)
    as_photo = classifier.predict(pixels, kind="photo")
    assert as_photo.probabilities != classifier.predict(pixels).probabilities
    assert classifier.predict_batch([pixels, png], kind="photo")[1] == classifier.predict(png, kind="photo")
    assert classifier.predict(pixels, kind="dataset") == classifier.predict(pixels)


def test_the_calibration_of_the_export_decides_who_is_unsure(int8_onnx: Path, test_split: Split) -> None:
    with Classifier(int8_onnx) as classifier:
        calibration = Confidence.of_card(classifier._model("dataset").runner.card, source="card")
        answers = [classifier.predict(pixels) for pixels in test_split.images[:300]]
    assert calibration != DEFAULT
    for answer in answers:
        assert answer.confidence == pytest.approx(calibration.of_row(answer.probabilities, answer.index))
        assert answer.unsure is (answer.confidence < calibration.threshold)
    right = np.array([answer.index == label for answer, label in zip(answers, test_split.labels, strict=False)])
    sure = np.array([not answer.unsure for answer in answers])
    assert 0.2 < sure.mean() < 1
    assert right[sure].mean() > right.mean()


def test_a_photo_of_nothing_is_unsure_however_clear_its_answer(classifier: Classifier) -> None:
    assert classifier.predict(Image.new("RGB", (300, 400), (140, 120, 110))).unsure
    rows: npt.NDArray[np.float32] = np.eye(10, dtype=np.float32)[[3, 3]]
    assert not Prediction.of_views(rows, LABELS, DEFAULT).unsure
    assert Prediction.of_views(rows, LABELS, DEFAULT, found=False).unsure


def test_more_pictures_than_go_into_one_run(
    classifier: Classifier, test_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: list[Picture] = list(test_split.images[:7])
    at_once = [answer.label for answer in classifier.predict_batch(pictures)]
    monkeypatch.setattr("fmnist_edge.runtime.classifier._AT_ONCE", 3)
    assert [answer.label for answer in classifier.predict_batch(pictures)] == at_once


# --- the models in the box -------------------------------------------------------------------------------------------


def test_each_kind_of_picture_has_its_own_model_which_is_opened_when_it_comes(test_split: Split) -> None:
    with Classifier(backend="onnxruntime") as classifier:
        assert classifier.opened == ()
        classifier.predict(test_split.images[0])
        assert classifier.opened == (box.int8_model("compact"),)
        classifier.predict(PHOTOS / "dress-001.jpg")
        assert classifier.opened == (box.int8_model("compact"), box.int8_model("compact-photo"))
    with Classifier(backend="litert") as classifier:
        classifier.predict(test_split.images[0], kind="photo")
        assert classifier.opened == (box.int8_model("compact-photo").with_suffix(".tflite"),)
        assert classifier.backend == "litert"


def test_labels_and_runtime_are_known_before_the_first_picture() -> None:
    with Classifier(backend="onnxruntime") as classifier:
        assert (classifier.labels, classifier.backend) == (LABELS, "onnxruntime")


@pytest.fixture
def other_box(exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A box with two networks whose probabilities differ, and the files that were put into it."""
    sources = exports / "fmnist-compact-int8.onnx", exports / "fmnist-compact-float32.onnx"
    monkeypatch.setattr(box, "FOLDER", tmp_path / "box")
    (tmp_path / "box").mkdir()
    for name, source in zip(("compact", "compact-photo"), sources, strict=True):
        shutil.copy(source, box.int8_model(name))
    return sources


def test_every_way_to_ask_goes_to_the_model_of_the_kind(other_box: tuple[Path, Path], png: Path) -> None:
    pixels, photo = np.asarray(Image.open(png)), PHOTOS / "dress-001.jpg"
    with Classifier(backend="onnxruntime") as boxed:
        for_dataset, for_photos = (Classifier(path, backend="onnxruntime") for path in other_box)
        assert for_dataset.predict(png) != for_photos.predict(png)
        assert boxed.predict(pixels) == boxed.predict(png) == for_dataset.predict(png)
        assert boxed.predict(png, kind="photo") == for_photos.predict(png, kind="photo")
        assert boxed.predict(photo) == for_photos.predict(photo)
        assert boxed.predict(photo, kind="dataset") == for_dataset.predict(photo, kind="dataset")
        mixed: list[Picture] = [photo, png, pixels, PHOTOS / "pants-017.jpg", png]
        together = boxed.predict_batch(mixed)
    asked = (for_photos, for_dataset, for_dataset, for_photos, for_dataset)
    expected = [single.predict(one) for single, one in zip(asked, mixed, strict=True)]
    assert [answer.label for answer in together] == [answer.label for answer in expected]
    for left, right in zip(together, expected, strict=True):
        assert left.probabilities == pytest.approx(right.probabilities, abs=1e-6)


def test_a_model_that_is_named_answers_everything(int8_onnx: Path, png: Path) -> None:
    with Classifier(int8_onnx, backend="onnxruntime") as classifier:
        classifier.predict_batch([png, PHOTOS / "dress-001.jpg"])
        assert classifier.opened == (int8_onnx,)


def test_a_closed_box_is_closed(test_split: Split) -> None:
    with Classifier() as classifier:
        classifier.predict(test_split.images[0])
    with pytest.raises(AttributeError):
        classifier.predict(test_split.images[0])


def test_a_box_with_a_model_missing_is_refused_before_the_first_picture(
    other_box: tuple[Path, Path], test_split: Split
) -> None:
    box.int8_model("compact-photo").unlink()
    says = r"no model at .*compact-photo-int8.onnx; expected a whole installation; got none; next: pip install --force"
    with pytest.raises(EdgeError, match=says):
        Classifier()
