"""Making the models in the box: of two runs, the same every time, and nothing of it where something is wrong."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.cli import main
from fmnist_edge.commands import train as command
from fmnist_edge.common.box import IN_USE, MANIFEST, NAMES
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import Split
from fmnist_edge.export import box
from fmnist_edge.export.box import fill_box, train_command
from fmnist_edge.runtime.card import read_onnx_file_card, read_tflite_card
from fmnist_edge.runtime.runner import open_runner
from fmnist_edge.train.options import TrainOptions, make_options

from ..command_line import type_in
from ..quantizing import quantizing_in_one_way

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


@pytest.fixture(scope="module", autouse=True)
def one_way_here() -> Iterator[None]:
    with quantizing_in_one_way():
        yield


@pytest.fixture(scope="module")
def runs(compact_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run for every network, of which two are one and the same."""
    from fmnist_edge.train import trainer

    strong = tmp_path_factory.mktemp("strong") / "run"
    trainer.start(TrainOptions(arch="strong", epochs=1, limit=2_000, batch_size=64), strong, report=lambda line: None)
    return {"compact": compact_run, "compact-photo": compact_run, "strong": strong}


@pytest.fixture(scope="module")
def filled(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box made by the command."""
    folder = tmp_path_factory.mktemp("box")
    named = zip(("--dataset-run", "--photo-run", "--strong-run"), runs.values(), strict=True)
    arguments = [*(word for pair in named for word in pair), "--photos", PHOTOS, "--out", folder]
    assert type_in("box", *arguments).code == 0
    return folder


def test_the_manifest_says_whence_everything_comes(filled: Path, runs: dict[str, Path], test_split: Split) -> None:
    manifest = json.loads((filled / MANIFEST).read_text())
    assert tuple(manifest["models"]) == NAMES
    for name, model in manifest["models"].items():
        metrics = json.loads((runs[name] / "metrics.json").read_text())
        options = json.loads((runs[name] / "config.json").read_text())["options"]
        assert model["run"] == runs[name].name
        assert model["command"] == train_command(TrainOptions(**options))
        assert list(model["files"]) == [f"fmnist-{name}{end}" for end in (".keras", "-int8.onnx", "-int8.tflite")]
        for file, entry in model["files"].items():
            content = (filled / file).read_bytes()
            assert entry == {"bytes": len(content), "sha256": sha256_hex(content)}
        validation = model["validation"]
        assert validation["right"][f"fmnist-{name}.keras"] == round(metrics["validation"]["accuracy"] * validation["n"])
        with open_runner(filled / f"fmnist-{name}-int8.onnx") as runner:
            right = int((runner.infer(test_split.images).argmax(axis=1) == test_split.labels).sum())
        assert model["test"]["right"][f"fmnist-{name}-int8.onnx"] == right
        assert [entry["folder"] for entry in model["photos"]] == ["photos"]
    assert {path.name for path in filled.iterdir()} == {
        MANIFEST,
        *(file for model in manifest["models"].values() for file in model["files"]),
    }


def test_the_same_run_gives_the_same_networks_under_either_name(filled: Path, compact_run: Path) -> None:
    assert (filled / "fmnist-compact.keras").read_bytes() == (compact_run / "model.keras").read_bytes()
    for suffix, read in ((".onnx", read_onnx_file_card), (".tflite", read_tflite_card)):
        plain, photo = (read(filled / f"fmnist-{name}-int8{suffix}") for name in IN_USE)
        assert plain.graph_sha256 == photo.graph_sha256
        assert (plain.name, photo.name) == ("fmnist-compact-int8", "fmnist-compact-photo-int8")
        assert plain.arch == photo.arch == "compact"


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"arch": "compact", "base": "compact", "learning_rate": 0.01, "shear": 0.25},
        {"arch": "compact", "flip": False, "weight_average": 0.999, "patience": 3, "optimizer": "adamw"},
        {"arch": "nets/my net.py:build", "teacher": ["runs/a/model.keras", "b c.keras"]},
        {"arch": "compact", "teacher": []},
        {"arch": "compact", "quantize_epochs": 8},
        {"arch": "strong", "both_sides": False, "consistent_teacher": True, "teachers_in_turn": True},
    ],
)
def test_the_command_of_a_training_trains_with_its_options(
    chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = make_options(chosen)
    assert read_back(options, monkeypatch) == options


def test_the_command_names_the_variant_that_says_most(monkeypatch: pytest.MonkeyPatch) -> None:
    options = make_options({"arch": "strong", "teacher": ["a.onnx"], "seed": 41}, variant="taught")
    assert train_command(options) == "fmnist-edge train --arch strong --variant taught --teacher a.onnx --seed 41"
    assert read_back(options, monkeypatch) == options
    assert "--variant" not in train_command(make_options({"arch": "strong", "consistent_teacher": True}))


def test_the_command_says_what_a_training_had_not_of_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.toml").write_text(
        "flip = true\nboth_sides = true\nconsistent_teacher = true\nteachers_in_turn = true\n"
    )
    chosen = {"flip": False, "both_sides": False, "consistent_teacher": False, "teachers_in_turn": False}
    options = make_options({"arch": f"{tmp_path / 'net.py'}:build", **chosen})
    assert read_back(options, monkeypatch) == options


def read_back(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> TrainOptions:
    """Return the options that the command line reads from the command for `options`."""
    read: list[TrainOptions] = []

    def note(chosen: dict[str, Any], *_: object, variant: str | None = None, **__: object) -> None:
        read.append(make_options(chosen, variant=variant))
        raise KeyError

    monkeypatch.setattr(command, "run_training", note)
    with pytest.raises(KeyError):
        main(shlex.split(train_command(options))[1:])
    (found,) = read
    return found


def untouched(runs: dict[str, Path], folder: Path, message: str, exit_code: int = 2) -> None:
    """Check that the box is not made, and that what was there is left alone."""
    (folder / MANIFEST).write_text("precious")
    with pytest.raises(EdgeError, match=message) as refused:
        fill_box(runs, folder)
    assert refused.value.exit_code == exit_code
    assert [path.name for path in folder.iterdir()] == [MANIFEST]
    assert (folder / MANIFEST).read_text() == "precious"


def test_a_network_without_a_run_stays_as_it_is(filled: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "box"
    shutil.copytree(filled, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    fill_box({"compact-photo": runs["compact-photo"]}, folder, photos=[PHOTOS])
    assert (folder / MANIFEST).read_text() == (filled / MANIFEST).read_text()
    written = {path.name for path in folder.iterdir() if path.stat().st_mtime_ns != before[path.name]}
    assert written == {MANIFEST, *(f"fmnist-compact-photo{end}" for end in (".keras", "-int8.onnx", "-int8.tflite"))}


@pytest.mark.parametrize(
    ("content", "got"), [(b"another", "another file"), (None, "none")], ids=["another file", "no file"]
)
def test_a_network_that_stays_must_be_as_the_manifest_says(
    content: bytes | None, got: str, filled: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "box"
    shutil.copytree(filled, folder)
    changed = folder / "fmnist-strong-int8.tflite"
    changed.unlink()
    if content is not None:
        changed.write_bytes(content)
    message = f"int8.tflite cannot stay; expected what the manifest says; got {got}; next: name a run for it"
    with pytest.raises(EdgeError, match=message):
        fill_box({"compact": runs["compact"]}, folder)
    assert (folder / "fmnist-compact.keras").read_bytes() == (filled / "fmnist-compact.keras").read_bytes()


def test_a_network_that_is_not_there_cannot_stay(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"models": {"compact": {}}}')
    with pytest.raises(EdgeError, match="has no compact-photo; expected a network that stays; next: name a run for it"):
        fill_box({"compact": runs["compact"], "strong": runs["strong"]}, tmp_path)


def test_a_box_of_nothing_is_refused() -> None:
    code, out, err = type_in("box")
    assert (code, out) == (2, "")
    assert "nothing to put into the box; expected a finished run; got none; next: add --strong-run" in err


def test_an_unfinished_run_is_refused(runs: dict[str, Path], compact_run: Path, tmp_path: Path) -> None:
    begun, folder = tmp_path / "begun", tmp_path / "box"
    begun.mkdir()
    folder.mkdir()
    shutil.copy(compact_run / "config.json", begun)
    untouched(runs | {"compact-photo": begun}, folder, "no trained model in .*begun")


def test_another_architecture_is_refused(runs: dict[str, Path], compact_run: Path, tmp_path: Path) -> None:
    other, folder = tmp_path / "other", tmp_path / "box"
    shutil.copytree(compact_run, other)
    folder.mkdir()
    config = json.loads((other / "config.json").read_text())
    config["options"]["arch"] = "seed"
    (other / "config.json").write_text(json.dumps(config))
    message = "other is no model for the box; expected the architecture compact; got seed"
    untouched(runs | {"compact-photo": other}, folder, message)


def test_a_file_that_is_too_large_is_refused(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box, "MAX_INT8_BYTES", {"compact": 90_000, "strong": 300_000})
    message = r"fmnist-compact-int8.onnx is too large for the box; expected at most 90,000 bytes; got 9\d,\d{3}"
    untouched(runs, tmp_path, message, exit_code=1)
