"""Fine-tuning: what a training may begin with, that it does, that it is recorded, and every refusal."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from fmnist_edge.common.box import ARCHITECTURES, NAMES, in_the_box
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.train import trainer
from fmnist_edge.train.base import begin_with, describe_base, find_base
from fmnist_edge.train.building import build_model
from fmnist_edge.train.keras_model import load_keras_model
from fmnist_edge.train.options import TrainOptions
from fmnist_edge.train.run_folder import RunFolder

OPTIONS = TrainOptions(
    arch="compact",
    base="compact",
    epochs=2,
    limit=200,
    batch_size=100,
    learning_rate=1e-5,
    dropout=0.1,
    seed=5,
    holdout=1_000,
)


def quiet(line: str) -> None:
    """Report nothing."""


def same_weights(left: keras.Model, right: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left.get_weights(), right.get_weights(), strict=True))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two epochs on top of the network in the box."""
    return trainer.start(OPTIONS, tmp_path_factory.mktemp("base") / "run", report=quiet)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_in_the_box_is_a_base(name: str) -> None:
    model = build_model(TrainOptions(arch=ARCHITECTURES[name], dropout=0.5))
    drawn = model.get_weights()
    begin_with(model, name, ARCHITECTURES[name])
    assert same_weights(model, load_keras_model(in_the_box(name, ".keras")))
    assert not np.array_equal(model.get_weights()[0], drawn[0])


def test_a_training_begins_where_its_base_ended_and_says_so(unbroken: RunFolder) -> None:
    first = unbroken.read_history()[0]
    assert first.val_accuracy > 0.9  # an untrained network is right about a tenth
    path = in_the_box("compact", ".keras")
    config = unbroken.read_config()
    assert config["base"] == {"file": "compact", "sha256": sha256_hex(path.read_bytes())}
    assert config["options"]["base"] == "compact"
    assert not same_weights(load_keras_model(unbroken.model), load_keras_model(path))


@pytest.mark.parametrize("after_epochs", [0, 1])
def test_an_interrupted_run_resumes_to_the_same_model(after_epochs: int, unbroken: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    def interrupt_first_step(stage: str, done: int, total: int) -> None:
        if stage.startswith("epoch"):
            raise KeyboardInterrupt

    chosen = {"report": interrupt} if after_epochs else {"progress": interrupt_first_step}
    with pytest.raises(KeyboardInterrupt):
        trainer.start(OPTIONS, run.path, **chosen)
    assert (run.newest_checkpoint() is not None) == bool(after_epochs)
    trainer.resume(run.path, report=quiet)
    assert same_weights(load_keras_model(unbroken.model), load_keras_model(run.model))


def test_a_file_and_a_run_folder_are_bases_too(unbroken: RunFolder) -> None:
    digest = sha256_hex(unbroken.model.read_bytes())
    assert find_base(str(unbroken.path)) == find_base(str(unbroken.model)) == unbroken.model
    for base in (unbroken.path, unbroken.model):
        assert describe_base(str(base)) == {"file": str(unbroken.model), "sha256": digest}


def test_a_base_that_is_not_there_is_named() -> None:
    expected = rf"no base runs/none; expected a .keras file, a run folder, or one of {', '.join(NAMES)}; got nothing"
    with pytest.raises(EdgeError, match=expected):
        find_base("runs/none")


def other_compact(path: Path, old: str, new: str) -> Path:
    """Save a compact network of which one thing is another."""
    folder = Path(__file__).parents[2] / "train" / "architectures"
    source = (folder / "compact.py").read_text().replace("from ..blocks", "from fmnist_edge.train.blocks")
    assert source.count(old) == 1
    (path / "other.py").write_text(source.replace(old, new))
    build_model(TrainOptions(arch=f"{path}/other.py:build")).save(path / "other.keras")
    return path / "other.keras"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("= 16, 48, 64", "= 8, 48, 64", r"expected weight 1 of shape \(3, 3, 1, 16\); got \(3, 3, 1, 8\)"),
        (
            "strides=2)\n    x = cross(",
            'strides=2)\n    x = layers.Activation("gelu")(x)\n    x = cross(',
            "expected the same answers; got ",
        ),
        (
            'name="widen", strides=2)',
            'name="widen", strides=2, rectify=False)',
            "expected the same answers; got probab",
        ),
    ],
    ids=["other shapes", "another activation", "a rectifier less"],
)
def test_another_network_is_no_base(old: str, new: str, message: str, tmp_path: Path) -> None:
    base = other_compact(tmp_path, old, new)
    expected = rf"other.keras is another network than compact; {message}.*; next: name the architecture of .* --arch"
    with pytest.raises(EdgeError, match=expected):
        trainer.start(replace(OPTIONS, base=str(base)), tmp_path / "run", report=quiet)
    assert not (tmp_path / "run").exists()


def test_a_run_that_has_not_made_an_epoch_is_not_resumed_with_another_base(tmp_path: Path) -> None:
    base = tmp_path / "base.keras"
    shutil.copy(in_the_box("compact", ".keras"), base)
    options = {"arch": "compact", "base": str(base), "epochs": 1, "limit": 100}
    config = {"options": options, "base": {"file": str(base), "sha256": "00"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EdgeError, match=r"base.keras has changed since the run was begun; expected the same base"):
        trainer.resume(tmp_path, report=quiet)


def test_the_finished_weights_have_the_share_of_their_base(unbroken: RunFolder, tmp_path: Path) -> None:
    options = replace(OPTIONS, base_share=0.75)
    run = trainer.start(options, tmp_path / "run", report=quiet)
    began, trained = (
        load_keras_model(path).get_weights() for path in (in_the_box("compact", ".keras"), unbroken.model)
    )
    for found, old, new in zip(load_keras_model(run.model).get_weights(), began, trained, strict=True):
        np.testing.assert_allclose(found, 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-7)


def test_a_base_that_is_gone_at_the_end_is_named_and_the_run_goes_on_when_it_is_back(tmp_path: Path) -> None:
    base, aside = tmp_path / "base.keras", tmp_path / "aside.keras"
    shutil.copy(in_the_box("compact", ".keras"), base)
    options = replace(OPTIONS, base=str(base), base_share=0.5, holdout=1_000)

    def take_away(line: str) -> None:
        if base.exists():
            base.rename(aside)

    with pytest.raises(EdgeError, match=r"no base .*base\.keras"):
        trainer.start(options, tmp_path / "run", report=take_away)
    assert not RunFolder(tmp_path / "run").is_finished()
    shutil.copy(in_the_box("compact-photo", ".keras"), base)
    with pytest.raises(EdgeError, match=r"base\.keras has changed since the run was begun"):
        trainer.resume(tmp_path / "run", report=quiet)
    aside.replace(base)
    assert trainer.resume(tmp_path / "run", report=quiet).is_finished()


def test_a_share_without_a_base_is_refused() -> None:
    with pytest.raises(EdgeError, match=r"no base to share weights with; .*base_share 0.5.*--base"):
        TrainOptions(base_share=0.5)
