"""Both sides of a picture, in every format: exact, audited, small, and refused where it cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import load_split
from fmnist_edge.export.cost import CostMeter
from fmnist_edge.export.exporter import export
from fmnist_edge.export.inspection import inspect
from fmnist_edge.export.recipe import ARM_DOT, FORMATS, INT8, RECIPES
from fmnist_edge.runtime.runner import open_runner
from fmnist_edge.train.keras_model import KerasRunner, load_keras_model
from fmnist_edge.train.sides import with_both_sides

IMAGES = load_split("test").images[:64]
ALL = list(RECIPES.values())


def mean_over_both(path: Path) -> np.ndarray:
    with open_runner(path) as runner:
        return (runner.infer(IMAGES) + runner.infer(np.ascontiguousarray(IMAGES[:, :, ::-1]))) / 2


def tolerance(name: str) -> float:
    """Exact, but where a recipe measures the range of each batch, which is that of both sides then."""
    return 0.05 if "dynamic" in name else 1e-5


def answers(path: Path) -> np.ndarray:
    with open_runner(path) as runner:
        return runner.infer(IMAGES)


@pytest.fixture(scope="module")
def both(compact_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `compact_run`, with both sides."""
    folder = tmp_path_factory.mktemp("both")
    for name in ("config.json", "metrics.json"):
        (folder / name).write_bytes((compact_run / name).read_bytes())
    with_both_sides(load_keras_model(compact_run / "model.keras")).save(folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def files(both: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Its exports by every recipe, by their names."""
    folder = tmp_path_factory.mktemp("sides")
    return {file.path.name: file.path for file in export(both, ALL, FORMATS, folder)}


def test_every_file_has_the_mean_of_what_the_one_sided_file_says(files: dict[str, Path], exports: Path) -> None:
    assert sorted(files) == sorted(path.name for path in exports.iterdir())
    for name, path in files.items():
        np.testing.assert_allclose(
            answers(path), mean_over_both(exports / name), rtol=0, atol=tolerance(name), err_msg=name
        )


def test_every_file_answers_like_the_float_model(files: dict[str, Path], both: Path) -> None:
    expected = KerasRunner(load_keras_model(both / "model.keras")).infer(IMAGES)
    for name, path in files.items():
        found = answers(path)
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95, name
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_file_is_hardly_larger_and_counts_twice_the_work(files: dict[str, Path], exports: Path) -> None:
    for name, path in files.items():
        one, two = inspect(exports / name), inspect(path)
        assert path.stat().st_size - (exports / name).stat().st_size < 3_000, name
        assert two.as_audit()["macs"] == 2 * one.as_audit()["macs"], name
        assert two.as_audit()["parameters"] == one.as_audit()["parameters"], name
        assert not two.faults
        scaled_inside = "int16x8" in name  # pixels become 16 bits by way of float, behind the mirror
        assert scaled_inside or two.as_audit()["float_islands"] == one.as_audit()["float_islands"], name


def test_any_number_of_pictures_can_be_asked_about_at_once(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with open_runner(path) as runner:
            together = runner.infer(IMAGES[:5])
            alone = np.concatenate([runner.infer(IMAGES[at : at + 1]) for at in range(5)])
            np.testing.assert_allclose(together, alone, rtol=0, atol=tolerance(name), err_msg=name)
            assert runner.infer(IMAGES[:0]).shape == (0, 10)


def test_a_file_for_arm_answers_alike(both: Path, files: dict[str, Path], tmp_path: Path) -> None:
    (file,) = export(both, [INT8], ("onnx",), tmp_path, target=ARM_DOT)
    np.testing.assert_allclose(answers(file.path), answers(files["fmnist-compact-int8.onnx"]), atol=0.02)


def test_the_card_says_so_and_judges_the_whole_model(files: dict[str, Path]) -> None:
    for name, path in files.items():
        card = inspect(path).card
        assert card is not None, name
        assert card.arch == "compact"
        assert "mirror image" in card.output["meaning"]


def test_c_source_is_refused_with_the_operator_and_leaves_nothing(both: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"REVERSE_V2.* --one-side"):
        export(both, [INT8], ("c",), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_costs_of_an_architecture_are_doubled(compact_run: Path) -> None:
    side = load_keras_model(compact_run / "model.keras")
    one, two = CostMeter().measure(side), CostMeter().measure(with_both_sides(side))
    assert two["macs"] == 2 * one["macs"]
    assert one["size"] < two["size"] < one["size"] + 2_000
