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
from fmnist_edge.benchmarks.charts import RELIABLE_IMAGES, draw_latency, draw_reliability, draw_tradeoff
from fmnist_edge.benchmarks.evaluation import evaluate
from fmnist_edge.benchmarks.figures import ReportPicture, draw_figures, inline_svg, save_pictures
from fmnist_edge.benchmarks.palette import DARK, LIGHT
from fmnist_edge.benchmarks.pictures import (
    draw_class_counts,
    draw_confusion_matrix,
    save_evaluation,
    save_figure,
    save_image_grid,
)
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


def save_all(report: dict[str, Any], folder: Path) -> list[ReportPicture]:
    return save_pictures(report, draw_figures(report), folder)


def test_with_latency_and_training_there_are_more_pictures(session_report: dict[str, Any], tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = only_models(session_report, 0, 2)
    drawings = draw_figures(report, progress=lambda *step: told.append(step))
    assert [drawing.name for drawing in drawings] == [
        *("accuracy-latency", "accuracy-size", "reliability", "latency", "training-accuracy", "training-loss")
    ]
    assert told == [("drawing", done, 6) for done in range(7)]
    found = save_pictures(report, drawings, tmp_path)
    assert [picture.path.name for picture in found] == [
        *(f"{drawing.name}.png" for drawing in drawings),
        "confusion-fmnist-compact-int8.onnx.png",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(picture.path.name for picture in found)
    for picture in found:
        check_png(picture.path, least=150)
    assert found[-1].alt == (
        "Confusion matrices of compact/model.keras and fmnist-compact-int8.onnx, and their difference"
    )
    assert len({picture.alt for picture in found}) == 7


def test_what_a_picture_shows_is_said_in_numbers(session_report: dict[str, Any]) -> None:
    drawings = {drawing.name: drawing.alt for drawing in draw_figures(session_report)}
    for model in session_report["models"][1:]:
        assert f"{model['name']}: {model['latency_ms']['p50']:.2f} ms, " in drawings["accuracy-latency"]
        assert f"{model['name']}: p50 {model['latency_ms']['p50']:.2f}, p90 " in drawings["latency"]
    assert "expected calibration error of " in drawings["reliability"]
    assert drawings["training-accuracy"] == (
        "Accuracy over 3 epochs; at the end 0.667 in training and 0.500 in validation."
    )


def test_a_confusion_picture_shows_the_reference_the_candidate_and_what_changed(
    plain_report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[Any, ...]] = []

    def draw(axes: Axes, matrix: Any, names: list[str], *, title: str, difference: bool = False) -> None:
        drawn.append((matrix.tolist(), names, title, difference))

    monkeypatch.setattr(pictures, "draw_confusion_matrix", draw)
    report = only_models(plain_report, 0, 2)
    save_pictures(report, [], tmp_path)
    reference, candidate = (model["confusion_matrix"] for model in report["models"])
    changes = [[candidate[row][column] - reference[row][column] for column in range(10)] for row in range(10)]
    assert any(map(any, changes))
    accuracies = [f"{model['accuracy']:.2%}" for model in report["models"]]
    assert drawn == [
        (reference, list(LABELS), f"compact/model.keras ({accuracies[0]})", False),
        (candidate, list(LABELS), f"fmnist-compact-int8.onnx ({accuracies[1]})", False),
        (changes, list(LABELS), "difference (second minus first)", True),
    ]


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_the_tradeoff_shows_every_model_and_its_interval(session_report: dict[str, Any]) -> None:
    models = session_report["models"]
    numbers = {model["name"]: number for number, model in enumerate(models, start=1)}
    (axes,) = draw_tradeoff(models, numbers, models[0], against="size").figure.axes
    points = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() in {"o", "s", "^"}}
    assert points == {
        (model["size_bytes"] / 1e6, -model["comparison"]["accuracy_drop"] if model["comparison"] else 0.0)
        for model in models
    }
    whiskers = {tuple(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 2}
    for model in models[1:]:
        low, high = model["comparison"]["accuracy_drop_ci95"]
        assert (-high, -low) in whiskers
    numbered = {number for text in texts_of(axes) if text != "margin" for number in text.split(", ")}
    assert numbered == {"1", "2", "3", "4"}


def test_points_that_lie_together_share_one_number(session_report: dict[str, Any]) -> None:
    models = [copy.deepcopy(session_report["models"][1]) for _ in range(3)]
    for number, model in enumerate(models):
        model["name"] = f"model {number}"
    models[2]["latency_ms"]["p50"] *= 50
    numbers = {model["name"]: number for number, model in enumerate(models, start=1)}
    (axes,) = draw_tradeoff(models, numbers, models[0], against="latency").figure.axes
    assert sorted(texts_of(axes)) == ["1, 2", "3", "margin"]


@pytest.mark.parametrize(
    ("slowest_ms", "ticks"),
    [(2.0, ["1", "1.5", "2"]), (40.0, ["1", "2", "5", "10", "20"]), (4_000.0, ["1", "10", "100", "1000"])],
)
def test_ticks_do_not_crowd(session_report: dict[str, Any], slowest_ms: float, ticks: list[str]) -> None:
    models = only_models(session_report, 1, 2)["models"]
    for model, p50 in zip(models, (1.0, slowest_ms), strict=True):
        model["latency_ms"].update(p50=p50, quantiles=[p50] * 101)
    (axes,) = draw_latency(models, {model["name"]: 7 for model in models}).figure.axes
    low, high = axes.get_xlim()
    shown = [f"{tick:g}" for tick in axes.get_xticks() if low <= tick <= high]
    assert shown == ticks


def test_the_fastest_model_stands_at_the_top_with_its_number(session_report: dict[str, Any]) -> None:
    models = only_models(session_report, 1, 2)["models"]
    for model, p50 in zip(models, (40.0, 0.04), strict=True):
        model["latency_ms"].update(p50=p50, quantiles=[p50] * 101)
    (axes,) = draw_latency(models, {model["name"]: 7 for model in models}).figure.axes
    shown = {text.get_text(): text.xy[1] for text in axes.texts}
    assert shown == {"7  fmnist-compact-float32.onnx  40.00 ms": 0, "7  fmnist-compact-int8.onnx  0.04 ms": 1}


def test_the_reliability_of_two_models_is_drawn_from_the_bins_that_have_enough_images(
    session_report: dict[str, Any],
) -> None:
    models = session_report["models"][:2]
    (axes,) = draw_reliability(models).figure.axes
    assert len(axes.lines) == 3
    for model, line in zip(models, axes.lines[1:], strict=True):
        bins = [entry for entry in model["calibration"]["bins"] if entry["n"] >= RELIABLE_IMAGES]
        assert len(bins) > 3
        assert list(line.get_xdata()) == [entry["confidence"] for entry in bins]
        assert list(line.get_ydata()) == [entry["accuracy"] for entry in bins]


def test_without_latency_and_training_there_are_two_pictures_and_one_a_candidate(
    plain_report: dict[str, Any], tmp_path: Path
) -> None:
    found = save_all(only_models(plain_report, 0, 3), tmp_path)
    names = ["accuracy-size.png", "reliability.png", "confusion-fmnist-compact-int8.tflite.png"]
    assert [picture.path.name for picture in found] == names
    for picture in found:
        check_png(picture.path)


def test_a_single_model_has_its_reliability_alone(plain_report: dict[str, Any], tmp_path: Path) -> None:
    assert [picture.path.name for picture in save_all(only_models(plain_report, 0), tmp_path)] == ["reliability.png"]


@pytest.mark.parametrize("name", ["$_$.onnx", "<script>alert(1)</script>", "a/b/model.keras", "a b (1) %d {x}.onnx"])
def test_a_picture_can_be_drawn_and_stays_in_its_folder_whatever_the_model_is_called(
    session_report: dict[str, Any], tmp_path: Path, name: str
) -> None:
    report = only_models(session_report, 0, 2)
    report["models"][1]["name"] = name
    found = save_all(report, tmp_path)
    assert {picture.path.parent for picture in found} == {tmp_path}
    assert found[-1].path.name == f"confusion-{name.replace('/', '-')}.png"
    assert name in found[-1].alt
    check_png(found[-1].path)
    for drawing in draw_figures(report):
        assert "<script" not in drawing.svg


def test_the_same_report_gives_the_same_bytes(session_report: dict[str, Any]) -> None:
    first, second = (draw_figures(session_report) for _ in range(2))
    assert first == second


def test_an_svg_has_the_page_s_colours_no_size_of_its_own_and_its_own_names(session_report: dict[str, Any]) -> None:
    drawings = draw_figures(session_report)
    for drawing in drawings:
        assert drawing.svg.startswith("<svg ")
        assert "viewBox" in drawing.svg[:300]
        assert not set(LIGHT.values()) & set(drawing.svg.split('"'))
        assert "var(--ink)" in drawing.svg
        assert f'id="{drawing.name}-' in drawing.svg
        for foreign in ("<?xml", "<!DOCTYPE", "<metadata", "xlink:href", "url(#p"):
            assert foreign not in drawing.svg
    assert LIGHT.keys() == DARK.keys()


def test_svgs_of_one_page_do_not_share_names() -> None:
    svg = '<svg width="9pt" height="5pt"><clipPath id="p"/><g clip-path="url(#p)"/><use xlink:href="#p"/></svg>'
    assert inline_svg(svg, "one") == (
        '<svg><clipPath id="one-p"/><g clip-path="url(#one-p)"/><use href="#one-p"/></svg>'
    )


def test_without_matplotlib_one_line_says_what_to_install(
    plain_report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        EdgeError, match=r"matplotlib is needed to draw the report; .*next: pip install 'fmnist-edge\[report\]'"
    ):
        draw_figures(plain_report)


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
