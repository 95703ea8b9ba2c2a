"""Pictures: real PNGs that show the numbers they are given, whatever the models are called."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import pictures
from fmnist_edge.benchmarks.evaluation import evaluate
from fmnist_edge.benchmarks.figures import save_figures
from fmnist_edge.benchmarks.pictures import (
    draw_class_counts,
    draw_confusion_matrix,
    save_evaluation,
    save_figure,
    save_image_grid,
)
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import LABELS, Split

COUNTS = np.array([[90, 10, 0], [5, 80, 15], [0, 0, 100]])
CHANGES = np.array([[3, -3, 0], [0, -2, 2], [0, 0, 0]])
NAMES = ["a", "b", "c"]


def check_png(path: Path, *, least: int = 200) -> None:
    """Check that the file is a whole PNG with something drawn on it."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) >= least
        low, high = image.convert("L").getextrema()
    assert low < 64
    assert high == 255


def only_models(report: dict[str, Any], *positions: int) -> dict[str, Any]:
    """Return a copy of the report with these models; drawing a confusion matrix takes a second."""
    return {**report, "models": [copy.deepcopy(report["models"][position]) for position in positions]}


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


# --- the report's pictures -------------------------------------------------------------------------------------------


def test_with_latency_there_are_two_more_pictures(session_report: dict[str, Any], tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = only_models(session_report, 0, 2)
    found = save_figures(report, tmp_path, progress=lambda *step: told.append(step))
    names = ["accuracy-latency.png", "latency.png", "confusion-fmnist-compact-int8.onnx.png"]
    assert [picture.path for picture in found] == [tmp_path / name for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for picture in found:
        check_png(picture.path)
    assert found[2].alt == (
        "Confusion matrices of compact/model.keras and fmnist-compact-int8.onnx, and their difference"
    )
    assert len({picture.alt for picture in found}) == 3
    assert told == [("drawing", 0, 1), ("drawing", 1, 1)]


def test_a_confusion_picture_shows_the_reference_the_candidate_and_what_changed(
    plain_report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[Any, ...]] = []

    def draw(axes: Axes, matrix: Any, names: list[str], *, title: str, difference: bool = False) -> None:
        drawn.append((matrix.tolist(), names, title, difference))

    monkeypatch.setattr(pictures, "draw_confusion_matrix", draw)
    report = only_models(plain_report, 0, 2)
    save_figures(report, tmp_path)
    reference, candidate = (model["confusion_matrix"] for model in report["models"])
    changes = [[candidate[row][column] - reference[row][column] for column in range(10)] for row in range(10)]
    assert any(map(any, changes))
    accuracies = [f"{model['accuracy']:.2%}" for model in report["models"]]
    assert drawn == [
        (reference, list(LABELS), f"compact/model.keras ({accuracies[0]})", False),
        (candidate, list(LABELS), f"fmnist-compact-int8.onnx ({accuracies[1]})", False),
        (changes, list(LABELS), "difference (second minus first)", True),
    ]


def test_a_short_bar_does_not_hide_its_number(
    session_report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []

    def save(figure: Figure, path: Path) -> Path:
        saved.append(figure)
        return path

    monkeypatch.setattr(pictures, "save_figure", save)
    report = only_models(session_report, 1, 2)
    for model, p50 in zip(report["models"], (40.0, 0.04), strict=True):
        model["latency_ms"].update(p50=p50)
    save_figures(report, tmp_path)
    (axes,) = saved[1].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "fmnist-compact-float32.onnx: 40.000",
        "fmnist-compact-int8.onnx: 0.040",
    ]
    assert [bar.get_width() for bar in axes.patches] == [40.0, 0.04]


def test_without_latency_there_is_one_picture_a_candidate(plain_report: dict[str, Any], tmp_path: Path) -> None:
    (picture,) = save_figures(only_models(plain_report, 0, 3), tmp_path)
    assert picture.path == tmp_path / "confusion-fmnist-compact-int8.tflite.png"
    check_png(picture.path)


def test_a_single_model_without_latency_needs_no_picture(plain_report: dict[str, Any], tmp_path: Path) -> None:
    assert save_figures(only_models(plain_report, 0), tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_always_right_or_always_wrong_can_be_drawn(images: Split, tmp_path: Path) -> None:
    """The end of an interval must not fall short of its share by a rounding error: matplotlib refuses that."""
    models = []
    for n in (10, 13, 1_000):
        labels = images.labels[:n]
        for predicted in (labels, (labels + 1) % 10):
            found = evaluate(predicted, labels, LABELS).as_json()
            extra = {"name": f"{n}", "format": "onnx", "size_bytes": 1_000, "comparison": None}
            models.append({**found, **extra, "latency_ms": {"p50": 0.1, "p90": 0.2, "p99": 0.3, "n": 17}})
    report = {"models": models[:1], "labels": list(LABELS)}
    for model in models:
        report["models"] = [model]
        for picture in save_figures(report, tmp_path):
            check_png(picture.path, least=100)


@pytest.mark.parametrize("name", ["$_$.onnx", "<script>alert(1)</script>", "a/b/model.keras", "a b (1) %d {x}.onnx"])
def test_a_picture_can_be_drawn_and_stays_in_its_folder_whatever_the_model_is_called(
    plain_report: dict[str, Any], tmp_path: Path, name: str
) -> None:
    report = only_models(plain_report, 0, 2)
    report["models"][1]["name"] = name
    (picture,) = save_figures(report, tmp_path)
    assert picture.path.parent == tmp_path
    assert picture.path.name == f"confusion-{name.replace('/', '-')}.png"
    assert name in picture.alt
    check_png(picture.path)


def test_latency_can_be_drawn_whatever_the_model_is_called(session_report: dict[str, Any], tmp_path: Path) -> None:
    report = only_models(session_report, 2)
    report["models"][0]["name"] = r"$\frac$.onnx"
    assert [picture.path.name for picture in save_figures(report, tmp_path)] == ["accuracy-latency.png", "latency.png"]


def test_the_same_report_gives_the_same_bytes(plain_report: dict[str, Any], tmp_path: Path) -> None:
    report = only_models(plain_report, 0, 2)
    hashes = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        (picture,) = save_figures(report, folder)
        hashes.add(sha256_hex(picture.path.read_bytes()))
    assert len(hashes) == 1


def test_without_matplotlib_one_line_says_what_to_install(
    plain_report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        EdgeError, match=r"matplotlib is needed to draw the report; .*next: pip install 'fmnist-edge\[report\]'"
    ):
        save_figures(plain_report, tmp_path)


# --- shared with training --------------------------------------------------------------------------------------------


def test_a_confusion_matrix_shows_every_count_in_its_place(axes: Axes) -> None:
    draw_confusion_matrix(axes, COUNTS, NAMES, title="seed")
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(column, row): str(COUNTS[row, column]) for row in range(3) for column in range(3)}
    assert [label.get_text() for label in axes.get_xticklabels()] == NAMES
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("predicted", "true", "seed")


def test_a_confusion_matrix_colours_errors_and_not_right_answers(axes: Axes) -> None:
    draw_confusion_matrix(axes, COUNTS, NAMES, title="")
    assert axes.images[0].get_array().tolist() == [[0, 10, 0], [5, 0, 15], [0, 0, 0]]
    assert axes.images[0].get_clim() == (0, 15)


def test_a_difference_shows_signs_and_leaves_zeros_empty(axes: Axes) -> None:
    draw_confusion_matrix(axes, CHANGES, NAMES, title="", difference=True)
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "+3", (1, 0): "-3", (1, 1): "-2", (2, 1): "+2"}


def test_a_difference_colours_better_blue_and_worse_red(axes: Axes) -> None:
    draw_confusion_matrix(axes, CHANGES, NAMES, title="", difference=True)
    picture = axes.images[0]
    # More right and fewer wrong answers are better (above 0), fewer right and more wrong ones worse (below 0).
    assert picture.get_array().tolist() == [[3, 3, 0], [0, -2, -2], [0, 0, 0]]
    assert picture.get_clim() == (-3, 3)
    (better_red, _, better_blue, _), (worse_red, _, worse_blue, _) = picture.cmap(picture.norm([3, -3]))
    assert better_blue > better_red
    assert worse_red > worse_blue


def test_no_differences_at_all_can_be_drawn(axes: Axes) -> None:
    draw_confusion_matrix(axes, np.zeros((3, 3), np.int64), NAMES, title="", difference=True)
    assert list(axes.texts) == []
    assert axes.images[0].get_clim() == (-1, 1)


def test_class_counts_show_every_number(axes: Axes) -> None:
    draw_class_counts(axes, evaluate(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), ["bag", "coat"]))
    cells = {place: cell.get_text().get_text() for place, cell in axes.tables[0].get_celld().items()}
    header = ["TP", "FP", "TN", "FN", "precision", "recall", "F1"]
    bag = ["1", "0", "2", "1", "1.000", "0.500", "0.667"]
    coat = ["2", "1", "1", "0", "0.667", "1.000", "0.800"]
    for row, texts in enumerate((header, bag, coat)):
        assert [cells[row, column] for column in range(7)] == texts
    assert (cells[1, -1], cells[2, -1]) == ("bag", "coat")


def test_an_evaluation_becomes_a_png(tmp_path: Path) -> None:
    found = evaluate(np.array([0, 1, 1]), np.array([0, 0, 1]), ["bag", "coat"])
    path = save_evaluation(found, tmp_path / "new" / "confusion.png", title="seed")
    check_png(path)


@pytest.mark.parametrize(("count", "rows"), [(0, 1), (1, 1), (6, 1), (7, 2)])
def test_a_grid_has_as_many_rows_as_its_images_need(images: Split, tmp_path: Path, count: int, rows: int) -> None:
    captions = [str(position) for position in range(count)]
    path = save_image_grid(images.images[:count], captions, tmp_path / "grid.png", title="some")
    with Image.open(path) as image:
        assert image.height == pytest.approx(110 * (2.5 * rows + 0.6), abs=2)
        assert image.width == pytest.approx(110 * 12.6, abs=2)


def test_a_picture_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError, match=r"cannot make folder .*file"):
        save_figure(Figure(), tmp_path / "file" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
