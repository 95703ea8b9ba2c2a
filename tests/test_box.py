"""The models that come with the package: what the manifest says of each file is so, to the byte and to the image."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge.benchmarks.photos import tally_photos
from fmnist_edge.cli import main
from fmnist_edge.commands import train as command
from fmnist_edge.common.box import ARCHITECTURES, FOLDER, MANIFEST, NAMES, in_the_box, int8_model
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import LABELS, Split
from fmnist_edge.runtime import Classifier, ModelCard, open_runner
from fmnist_edge.runtime.backend import difference
from fmnist_edge.runtime.card import read_onnx_file_card, read_tflite_card
from fmnist_edge.train.options import TrainOptions, make_options

PHOTOS = Path(__file__).parent / "data" / "photos"
ENDINGS = (".keras", "-int8.onnx", "-int8.tflite")
MAX_INT8_BYTES = {"compact": 100_000, "compact-photo": 100_000, "strong": 300_000}
MADE_AGAIN = "run: make models DATASET_RUN=... PHOTO_RUN=... STRONG_RUN=..."


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / MANIFEST).read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def model(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    entry: dict[str, Any] = manifest["models"][name]
    return entry


def card_of(path: Path) -> ModelCard:
    return read_tflite_card(path) if path.suffix == ".tflite" else read_onnx_file_card(path)


def test_the_box_holds_what_the_manifest_lists_and_nothing_else(manifest: dict[str, Any]) -> None:
    assert manifest["manifest_version"] == 1
    assert tuple(manifest["models"]) == NAMES
    listed = {file for model in manifest["models"].values() for file in model["files"]}
    assert listed == {in_the_box(name, ending).name for name in NAMES for ending in ENDINGS}
    assert {path.name for path in FOLDER.iterdir()} == listed | {MANIFEST}


def test_size_and_hash_of_every_file_are_those_of_the_manifest(model: dict[str, Any], name: str) -> None:
    for file, entry in model["files"].items():
        content = (FOLDER / file).read_bytes()
        assert (len(content), sha256_hex(content)) == (entry["bytes"], entry["sha256"]), MADE_AGAIN
        assert file.endswith(".keras") or len(content) <= MAX_INT8_BYTES[name]


def test_the_cards_say_which_network_it_is_and_how_good_its_training_found_it(model: dict[str, Any], name: str) -> None:
    cards = [card_of(in_the_box(name, ending)) for ending in ENDINGS[1:]]
    assert difference(*cards) == ""
    for card in cards:
        assert (card.name, card.arch, card.recipe) == (f"fmnist-{name}-int8", ARCHITECTURES[name], "int8")
        assert card.labels == LABELS
        assert card.confidence is not None
        assert card.calibration is not None
        assert card.calibration["recovery"]["method"] == "compensated"  # `export --no-recover` leaves it out
        assert card.training is not None
        validation = model["validation"]
        found = card.training["validation_accuracy"] * validation["n"]
        assert round(found) == validation["right"][f"fmnist-{name}.keras"]


def test_nothing_in_the_box_names_a_place_on_its_makers_machine(manifest: dict[str, Any]) -> None:
    def texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [text for entry in value.values() for text in texts(entry)]
        if isinstance(value, list | tuple):
            return [text for entry in value for text in texts(entry)]
        return [value] if isinstance(value, str) else []

    cards = [card_of(in_the_box(name, ending)).training for name in NAMES for ending in ENDINGS[1:]]
    found = texts([manifest, *cards])
    assert "compact" in found
    assert [text for text in found if any(word.startswith(("/", "~")) for word in text.split())] == []


class ReadError(Exception):
    """Ends the command when its line has been read."""


def test_the_command_of_the_manifest_trains_with_the_options_of_the_card(
    model: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so the recipe beside the architecture is the one by which the model in the box was made."""
    read: list[TrainOptions] = []

    def note(chosen: dict[str, Any], *_: object, variant: str | None = None, **__: object) -> None:
        read.append(make_options(chosen, variant=variant))
        raise ReadError

    monkeypatch.setattr(command, "run_training", note)
    with pytest.raises(ReadError):
        main(shlex.split(model["command"])[1:])
    training = card_of(int8_model(name)).training
    assert training is not None
    assert read == [TrainOptions(**training["options"])], MADE_AGAIN


def probabilities(path: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    with open_runner(path) as runner:
        return runner.infer(images)


def test_both_files_have_as_many_test_images_right_as_the_manifest_says_and_answer_alike(
    model: dict[str, Any], name: str, test_split: Split
) -> None:
    onnx, tflite = (probabilities(in_the_box(name, ending), test_split.images) for ending in ENDINGS[1:])
    assert np.array_equal(onnx.argmax(axis=1), tflite.argmax(axis=1))
    np.testing.assert_allclose(onnx, tflite, atol=1e-6)
    assert model["test"]["n"] == len(test_split) == 10_000
    right = int((onnx.argmax(axis=1) == test_split.labels).sum())
    counted = model["test"]["right"]
    assert [counted[in_the_box(name, ending).name] for ending in ENDINGS[1:]] == [right, right]


def test_int8_is_within_a_tenth_of_a_point_of_float(model: dict[str, Any]) -> None:
    bare, *exported = model["test"]["right"].values()
    assert all(abs(bare - right) <= 10 for right in exported)


def test_the_float_model_is_as_good_as_the_manifest_says(model: dict[str, Any], name: str, test_split: Split) -> None:
    from fmnist_edge.train import require_tensorflow

    require_tensorflow()
    from fmnist_edge.train.keras_model import KerasRunner, load_keras_model

    path = in_the_box(name, ".keras")
    said = KerasRunner(load_keras_model(path)).infer(test_split.images).argmax(axis=1)
    assert int((said == test_split.labels).sum()) == pytest.approx(model["test"]["right"][path.name], abs=2)


def test_photos_are_counted_by_class_as_the_manifest_says(manifest: dict[str, Any]) -> None:
    digest = sha256_hex((PHOTOS / "labels.csv").read_bytes())
    (expected,) = [entry for entry in manifest["models"]["compact-photo"]["photos"] if entry["labels_sha256"] == digest]
    with Classifier(backend="onnxruntime") as classifier:
        assert tally_photos(classifier, PHOTOS) == expected
        assert classifier.opened == (int8_model("compact-photo"),)
