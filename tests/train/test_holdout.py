"""How many validation images a model was kept from, wherever that is written."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_edge.common.box import NAMES, in_the_box, int8_model
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import load_split
from fmnist_edge.dataset.folds import Fold
from fmnist_edge.export.exporter import export
from fmnist_edge.export.recipe import INT8
from fmnist_edge.runtime.card import read_card
from fmnist_edge.train import trainer
from fmnist_edge.train.holdout import common_fold, common_holdout, holdout_in, left_out_fold
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.run_folder import RunFolder

from ..command_line import type_in


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A training that keeps 100 images out."""
    options = TrainOptions(arch="compact", epochs=1, limit=1_000, batch_size=64, holdout=100)
    return trainer.start(options, tmp_path_factory.mktemp("held") / "run", report=lambda line: None)


@pytest.fixture(scope="module")
def exported(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (file,) = export(run.path, [INT8], ("onnx",), tmp_path_factory.mktemp("exports"))
    return file.path


def test_a_training_sees_what_it_does_not_keep_out(run: RunFolder) -> None:
    config = run.read_config()
    assert config["options"]["holdout"] == 100
    assert config["dataset"]["train"]["n"] == 1_000
    assert config["dataset"]["validation"] == {"n": 100, "sha256": load_split("validation", holdout=100).sha256}


def test_the_confidence_of_an_export_is_fitted_on_what_its_model_never_saw(exported: Path) -> None:
    card = read_card(exported)
    assert card.confidence is not None
    assert card.confidence["n"] == 100


def test_the_fewest_images_count(run: RunFolder, exported: Path, compact_run: Path, tmp_path: Path) -> None:
    other = compact_run / "model.keras"
    assert common_holdout([other]) == 5_000
    assert common_holdout([other, run.model]) == common_holdout([exported, other]) == 100
    assert common_holdout([]) == common_holdout([tmp_path / "unknown.keras"]) == 5_000


def test_nothing_is_known_of_a_file_without_a_card(tmp_path: Path) -> None:
    (tmp_path / "bare.onnx").write_bytes(b"")
    assert common_holdout([tmp_path / "bare.onnx"]) == 5_000


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"none\.onnx"):
        common_holdout([tmp_path / "none.onnx"])


@pytest.mark.parametrize("training", [None, {}, {"options": {}}, {"options": {"holdout": "many"}}])
def test_without_a_word_of_it_all_of_them_were_kept_out(training: dict[str, object] | None) -> None:
    assert holdout_in(training) == 5_000


def test_evaluate_takes_the_images_that_no_model_saw(run: RunFolder, exported: Path) -> None:
    said = type_in("evaluate", run.path, exported, "--split", "validation")
    assert said.code == 0
    assert "on the 100 validation images that none of these models was trained on" in said.err
    assert "100 images" in said.out


def test_of_a_network_in_the_box_its_card_says_it() -> None:
    for name in NAMES:
        assert common_holdout([in_the_box(name, ".keras")]) == common_holdout([int8_model(name)])


def test_who_learnt_from_the_validation_images_may_not_teach_nor_be_a_base(run: RunFolder, tmp_path: Path) -> None:
    message = (
        r"model\.keras was trained on images that this training would validate on; expected at most --holdout 100; "
    )
    options = TrainOptions(arch="compact", epochs=1, limit=100)
    for chosen in (replace(options, teacher=(str(run.path),)), replace(options, base=str(run.path))):
        with pytest.raises(EdgeError, match=message + "got 5000; next: add --holdout 100"):
            trainer.start(chosen, tmp_path / "run", report=lambda line: None)
        assert not (tmp_path / "run").exists()
    fewer = replace(options, teacher=(str(run.path),), base=str(run.path), holdout=100)
    assert trainer.start(fewer, tmp_path / "run", report=lambda line: None).is_finished()


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A training that leaves the second of three parts out."""
    options = TrainOptions(arch="compact", epochs=1, limit=1_000, batch_size=64, fold="2/3")
    return trainer.start(options, tmp_path_factory.mktemp("fold") / "run", report=lambda line: None)


def test_a_model_says_which_fold_it_left_out(
    run: RunFolder, without: RunFolder, exported: Path, tmp_path: Path
) -> None:
    assert left_out_fold(run.model) is left_out_fold(exported) is left_out_fold(tmp_path / "unknown.keras") is None
    kept = load_split("train").without(Fold(2, 3)).first(1_000)
    assert without.read_config()["dataset"]["train"] == {"n": 1_000, "sha256": kept.sha256}
    (file,) = export(without.path, [INT8], ("onnx",), tmp_path / "exports")
    assert left_out_fold(without.model) == left_out_fold(file.path) == Fold(2, 3)


def test_evaluate_takes_the_fold_that_all_models_left_out(without: RunFolder, tmp_path: Path) -> None:
    said = type_in("evaluate", without.path, "--split", "fold", "--json", tmp_path / "figures.json")
    assert said.code == 0
    images = load_split("train").only(Fold(2, 3))
    assert 18_000 < len(images) < 19_000
    assert f"on the {len(images):,} training images of fold 2/3, which none of these" in said.err
    expected = {"name": "Fashion-MNIST", "split": "train", "n": len(images), "sha256": images.sha256}
    assert expected.items() <= json.loads((tmp_path / "figures.json").read_text())["dataset"].items()


def test_a_fold_must_be_left_out_by_all_models(run: RunFolder, without: RunFolder) -> None:
    beginning = "no training image is new to all models; expected models trained with the same --fold; got "
    for models, got in (
        ([without.model, run.model], f"{without.model} without 2/3, {run.model} without a fold"),
        ([run.model], f"{run.model} without a fold"),
        ([], "no model"),
    ):
        with pytest.raises(EdgeError, match=re.escape(beginning + got)):
            common_fold(models)


def test_who_learnt_from_a_fold_may_not_teach_nor_be_a_base_without_it(
    run: RunFolder, without: RunFolder, tmp_path: Path
) -> None:
    options = TrainOptions(arch="compact", epochs=1, limit=100, holdout=100)
    message = "model.keras may have learnt from images that this training leaves out; expected one trained with --fold "
    for learnt, fold, got in ((run, "2/3", "a fold"), (without, "1/3", "2/3"), (without, "2/6", "2/3")):
        for way in ({"teacher": (str(learnt.path),)}, {"base": str(learnt.path)}):
            with pytest.raises(
                EdgeError, match=re.escape(message + f"{fold}; got one without {got}; next: do without")
            ):
                trainer.start(replace(options, fold=fold, **way), tmp_path / "run", report=lambda line: None)
            assert not (tmp_path / "run").exists()
    own = str(without.path)
    same = replace(options, fold="2/3", teacher=(own,), base=own)
    assert trainer.start(same, tmp_path / "run", report=lambda line: None).is_finished()
