"""Predictions in a file: what was saved is loaded again, and what belongs to other images is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.fingerprint import file_sha256
from fmnist_edge.benchmarks.harness import ModelResult, evaluate_models, judge
from fmnist_edge.benchmarks.predictions import PREDICTIONS_VERSION, load_predictions, save_predictions
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import Split
from fmnist_edge.runtime import open_runner

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def saved(results: list[ModelResult], images: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of the four models in one file."""
    path = tmp_path_factory.mktemp("saved") / "predictions.npz"
    return save_predictions([result.answers for result in results], images, path)


def changed(saved: Path, folder: Path, change: Change) -> Path:
    """Write a copy of the file in which `change` was made to the arrays, or to what the file says about itself."""
    with np.load(saved) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["about"] = json.loads(arrays["about"].tobytes())
    change(arrays)
    if "about" in arrays:
        arrays["about"] = np.frombuffer(json.dumps(arrays["about"]).encode(), np.uint8)
    path = folder / "changed.npz"
    np.savez(path, **arrays)
    return path


def test_what_was_saved_is_loaded_again(saved: Path, results: list[ModelResult], images: Split) -> None:
    loaded = load_predictions(saved, images)
    assert len(loaded) == 4
    for before, after in zip(results, loaded, strict=True):
        assert np.array_equal(before.answers.probabilities, after.probabilities)
        for name in ("name", "format", "recipe", "size_bytes", "sha256"):
            assert getattr(before.answers, name) == getattr(after, name)
    again = judge(loaded, images)
    assert [result.comparison for result in again] == [result.comparison for result in results]


def test_a_digest_is_that_of_the_file(int8_onnx: Path, results: list[ModelResult]) -> None:
    assert results[2].answers.sha256 == file_sha256(int8_onnx) == sha256_hex(int8_onnx.read_bytes())


def test_saved_predictions_take_the_place_of_the_reference(
    saved: Path, results: list[ModelResult], model_paths: list[Path], images: Split
) -> None:
    reference = load_predictions(saved, images)[0]
    found = evaluate_models(model_paths[2:], open_runner, images, reference=reference)
    assert [result.answers.name for result in found] == [results[index].answers.name for index in (0, 2, 3)]
    assert [result.comparison for result in found] == [results[index].comparison for index in (0, 2, 3)]


def test_a_model_of_the_name_of_the_saved_reference_is_refused(
    saved: Path, model_paths: list[Path], images: Split
) -> None:
    reference = load_predictions(saved, images)[1]
    with pytest.raises(EdgeError, match=r"fmnist-compact-float32\.onnx is named twice"):
        evaluate_models(model_paths[1:], open_runner, images, reference=reference)


FAULTS: dict[str, tuple[Change, str]] = {
    "another version": (
        lambda arrays: arrays["about"].update(predictions_version=9),
        f"is of another version; expected version {PREDICTIONS_VERSION}; got 9",
    ),
    "no version": (lambda arrays: arrays["about"].pop("predictions_version"), "cannot read .*saved predictions"),
    "no models": (lambda arrays: arrays["about"].update(models=[]), "expected models with all their fields"),
    "a field less": (lambda arrays: arrays["about"]["models"][0].pop("sha256"), "expected models with all their"),
    "another type": (lambda arrays: arrays["about"]["models"][0].update(name=3), "expected models with all their"),
    "another dataset": (
        lambda arrays: arrays["about"]["dataset"].update(name="MNIST"),
        "belongs to other images; expected Fashion-MNIST test, 1,000 images, .*; got MNIST test, 1,000 images",
    ),
    "another split": (lambda arrays: arrays["about"]["dataset"].update(split="train"), "got Fashion-MNIST train"),
    "another digest": (lambda arrays: arrays["about"]["dataset"].update(sha256="0" * 64), "SHA-256 00000000…"),
    "no dataset": (lambda arrays: arrays["about"].update(dataset=None), "other images; .*got something else"),
    "other classes": (
        lambda arrays: arrays["about"].update(labels=["hat"]),
        "has other classes than the dataset; expected T-shirt/top, .*; got hat",
    ),
    "other labels": (lambda arrays: arrays.update(labels=9 - arrays["labels"]), "has other labels than the dataset"),
    "a model less": (
        lambda arrays: arrays.update(probabilities=arrays["probabilities"][1:]),
        r"has wrong probabilities; expected float32 \(4, 1000, 10\); got float32 \(3, 1000, 10\)",
    ),
    "double precision": (
        lambda arrays: arrays.update(probabilities=arrays["probabilities"].astype(float)),
        "has wrong probabilities; expected float32 .*; got float64",
    ),
    "logits": (
        lambda arrays: arrays.update(probabilities=arrays["probabilities"] * 3),
        "has wrong probabilities; expected rows that sum to 1",
    ),
    "no numbers": (
        lambda arrays: arrays.update(probabilities=np.full_like(arrays["probabilities"], np.nan)),
        "has wrong probabilities; expected rows that sum to 1",
    ),
    "an array less": (lambda arrays: arrays.pop("labels"), "cannot read .*expected saved predictions"),
    "no word about itself": (lambda arrays: arrays.pop("about"), "cannot read .*expected saved predictions"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_compared_is_refused(saved: Path, images: Split, tmp_path: Path, fault: str) -> None:
    change, says = FAULTS[fault]
    with pytest.raises(EdgeError, match=says):
        load_predictions(changed(saved, tmp_path, change), images)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut short"])
def test_what_is_no_such_file_is_refused(images: Split, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(EdgeError, match=r"cannot read .*a\.npz; expected saved predictions"):
        load_predictions(path, images)


def test_code_in_a_file_is_not_run(images: Split, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, about=np.array([print], object), labels=np.zeros(1), probabilities=np.zeros(1))
    with pytest.raises(EdgeError, match=r"cannot read .*expected saved predictions"):
        load_predictions(path, images)
    assert zipfile.is_zipfile(path)


def test_nothing_and_folders_are_refused(images: Split, tmp_path: Path) -> None:
    for path, got in ((tmp_path / "none.npz", "nothing"), (tmp_path, "a folder")):
        with pytest.raises(EdgeError, match=f"no predictions at .*; got {got}; next: write it again"):
            load_predictions(path, images)


def test_another_suffix_is_refused_before_numpy_adds_its_own(
    results: list[ModelResult], images: Split, tmp_path: Path
) -> None:
    with pytest.raises(EdgeError, match=r"unusable name for predictions; expected a file ending in \.npz"):
        save_predictions([results[0].answers], images, tmp_path / "predictions.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_hashed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none\.onnx; got No such file"):
        file_sha256(tmp_path / "none.onnx")
