"""Every model once over the same images; what cannot be compared is refused before anything is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.answers import Answers, collect_answers, model_name
from fmnist_edge.benchmarks.harness import ModelResult, evaluate_models, judge, require_distinct
from fmnist_edge.dataset import LABELS, Split
from fmnist_edge.runtime import open_runner


@dataclass
class FakeRunner:
    """Answers with the class that the first pixel names, and remembers what was asked of it."""

    classes: int = 10
    name: str = "fake"
    format: str = "onnx"
    sizes: list[int] = field(default_factory=list)
    closed: bool = False
    fails: bool = False

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if self.fails:
            raise EdgeError("it broke")
        self.sizes.append(len(images))
        return np.eye(self.classes, dtype=np.float32)[images[:, 0, 0]]

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LabelledRunner(FakeRunner):
    """A runner with a card, as those of exported files have."""

    def __init__(self, labels: tuple[str, ...], recipe: str = "int8") -> None:
        super().__init__(classes=len(labels))
        self.card = SimpleNamespace(labels=labels, recipe=recipe)


def make_split(labels: list[int]) -> Split:
    """Return images whose first pixel is their class."""
    images = np.zeros((len(labels), 28, 28), np.uint8)
    images[:, 0, 0] = labels
    return Split("test", images, np.array(labels, np.int64), np.arange(len(labels)))


def make_file(path: Path, size: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def make_answers(name: str, classes: list[int]) -> Answers:
    return Answers(name, "onnx", "int8", 1, "0" * 64, np.eye(10, dtype=np.float32)[classes])


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.onnx", "a.onnx"),
        ("exports/a.onnx", "a.onnx"),
        ("exports/a.tflite", "a.tflite"),
        ("runs/seed/model.keras", "seed/model.keras"),
        ("runs/other/../seed/model.keras", "seed/model.keras"),
        ("runs/seed/best.keras", "best.keras"),
    ],
)
def test_a_model_is_named_after_its_file_or_its_run(path: str, name: str) -> None:
    assert model_name(Path(path)) == name


def test_a_run_is_named_after_its_own_folder_however_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file(tmp_path / "seed" / "model.keras")
    (tmp_path / "latest").symlink_to("seed")
    assert model_name(tmp_path / "latest" / "model.keras") == "seed/model.keras"
    monkeypatch.chdir(tmp_path / "seed")
    assert model_name(Path("model.keras")) == "seed/model.keras"


def test_models_of_different_names_are_distinct() -> None:
    require_distinct([Path(name) for name in ("a/model.keras", "b/model.keras", "x.onnx", "x.tflite")])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no models to evaluate; expected at least one; next: run: fmnist-edge export --int8"),
        (["a.onnx", "a.onnx"], "a.onnx is named twice; expected every model once"),
        (["x/a.onnx", "b.onnx", "y/a.onnx"], "a.onnx is named twice"),
        (["x/seed/model.keras", "y/seed/model.keras"], "seed/model.keras is named twice"),
        (["b.onnx", "a.onnx", "b.onnx", "a.onnx"], "a.onnx, b.onnx is named twice"),
    ],
)
def test_no_models_and_duplicates_are_refused_before_anything_is_opened(paths: list[str], message: str) -> None:
    opened: list[Path] = []

    def opener(path: Path) -> FakeRunner:
        opened.append(path)
        return FakeRunner()

    with pytest.raises(EdgeError, match=message):
        evaluate_models([Path(path) for path in paths], opener, make_split([0]))
    assert opened == []


# --- answers ---------------------------------------------------------------------------------------------------------


def test_answers_keep_the_order_of_the_images_over_all_chunks(tmp_path: Path) -> None:
    labels = [position % 10 for position in range(1_201)]
    runner = FakeRunner()
    told: list[tuple[str, int, int]] = []
    answers = collect_answers(
        make_file(tmp_path / "a.onnx"), runner, make_split(labels), progress=lambda *step: told.append(step)
    )
    assert runner.sizes == [500, 500, 201]
    assert answers.predicted.tolist() == labels
    assert answers.predicted.dtype == np.int64
    stage = "evaluating a.onnx"
    assert told == [(stage, 0, 1_201), (stage, 500, 1_201), (stage, 1_000, 1_201), (stage, 1_201, 1_201)]


def test_answers_say_what_the_model_is(tmp_path: Path) -> None:
    exported = collect_answers(make_file(tmp_path / "a.onnx", 123), LabelledRunner(LABELS, "float16"), make_split([0]))
    assert (exported.name, exported.format, exported.recipe, exported.size_bytes) == ("a.onnx", "onnx", "float16", 123)
    trained = collect_answers(make_file(tmp_path / "run" / "model.keras"), FakeRunner(format="keras"), make_split([0]))
    assert (trained.name, trained.format, trained.recipe) == ("run/model.keras", "keras", "float32")


@pytest.mark.parametrize(
    ("runner", "got"),
    [
        (FakeRunner(classes=9), "9 classes"),
        (FakeRunner(classes=11), "11 classes"),
        (LabelledRunner(LABELS[:9]), "T-shirt/top, .*, Bag$"),
        (LabelledRunner((*LABELS, "Hat")), "T-shirt/top, .*, Ankle boot, Hat$"),
        (LabelledRunner((*LABELS[:9], "Boot")), "T-shirt/top, .*, Boot$"),
        (LabelledRunner((LABELS[1], LABELS[1], *LABELS[2:])), "Trouser, Trouser, .*, Ankle boot$"),
    ],
    ids=["9", "11", "one label less", "one label more", "another label", "a label twice"],
)
def test_other_classes_than_the_dataset_are_refused_before_running(
    tmp_path: Path, runner: FakeRunner, got: str
) -> None:
    message = f"a.onnx has other classes than the dataset; expected {', '.join(LABELS)}; got {got}"
    with pytest.raises(EdgeError, match=message):
        collect_answers(make_file(tmp_path / "a.onnx"), runner, make_split([0]))
    assert runner.sizes == []


def test_labels_in_another_order_are_aligned_by_the_card(tmp_path: Path) -> None:
    order = (LABELS[9], LABELS[2], LABELS[0], LABELS[1], *LABELS[3:9])
    runner = LabelledRunner(order)  # says the column that the first pixel names
    answers = collect_answers(make_file(tmp_path / "a.onnx"), runner, make_split([0, 1, 2, 3, 9]))
    assert [LABELS[answer] for answer in answers.predicted] == [order[column] for column in (0, 1, 2, 3, 9)]


# --- judging ---------------------------------------------------------------------------------------------------------


def test_every_candidate_is_compared_with_the_first() -> None:
    split = make_split([0, 1, 2, 3])
    perfect, worse = make_answers("perfect", [0, 1, 2, 3]), make_answers("worse", [0, 1, 2, 9])
    bad = make_answers("bad", [9, 9, 2, 9])
    first, second, third = judge([perfect, worse, bad], split)
    assert first.comparison is None
    assert second.comparison is not None
    assert third.comparison is not None
    assert [result.evaluation.accuracy for result in (first, second, third)] == [1.0, 0.75, 0.25]
    assert (second.comparison.reference, second.comparison.lost, second.comparison.won) == ("perfect", 1, 0)
    assert (third.comparison.reference, third.comparison.lost, third.comparison.flipped) == ("perfect", 3, (0, 1, 3))
    assert [scores.label for scores in first.evaluation.per_class] == list(LABELS)


def test_models_are_opened_one_at_a_time_and_closed_even_when_one_fails(tmp_path: Path) -> None:
    runners: list[FakeRunner] = []

    def opener(path: Path) -> FakeRunner:
        assert all(runner.closed for runner in runners)
        runners.append(FakeRunner(fails=path.name == "c.onnx"))
        return runners[-1]

    paths = [make_file(tmp_path / name) for name in ("a.onnx", "b.onnx", "c.onnx", "d.onnx")]
    with pytest.raises(EdgeError, match="it broke"):
        evaluate_models(paths, opener, make_split([0, 1]))
    assert [runner.closed for runner in runners] == [True, True, True]


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"a\.onnx has no ModelCard; got a file that is truncated"):
        evaluate_models([make_file(tmp_path / "a.onnx")], open_runner, make_split([0]))


def test_real_models_are_described_by_their_files(results: list[ModelResult], model_paths: list[Path]) -> None:
    described = [(result.answers.format, result.answers.recipe) for result in results]
    assert described == [("keras", "float32"), ("onnx", "float32"), ("onnx", "int8"), ("tflite", "int8")]
    assert [result.answers.name for result in results] == [
        "compact/model.keras",
        "fmnist-compact-float32.onnx",
        "fmnist-compact-int8.onnx",
        "fmnist-compact-int8.tflite",
    ]
    assert [result.answers.size_bytes for result in results] == [path.stat().st_size for path in model_paths]


def test_real_models_are_scored_on_the_real_images(results: list[ModelResult], images: Split) -> None:
    keras, float32, *int8 = results
    for result in results:
        assert result.evaluation.confusion_matrix.sum() == len(images) == 1_000
        rows = result.evaluation.confusion_matrix.sum(axis=1).tolist()
        assert rows == np.bincount(images.labels, minlength=10).tolist()
        assert result.evaluation.accuracy == (result.answers.predicted == images.labels).mean() > 0.7
    assert keras.comparison is None
    assert float32.comparison is not None
    assert float32.comparison.agreement >= 0.999
    for result in int8:
        assert result.comparison is not None
        assert result.comparison.reference == "compact/model.keras"
        assert result.comparison.agreement > 0.97
