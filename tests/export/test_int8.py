"""The method of choosing ranges is the one that agrees best with the float model, and is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fmnist_edge.export import int8 as int8_module
from fmnist_edge.export.int8 import MIN_MAX, Agreement, agreement, quantize
from fmnist_edge.export.ranges import METHODS
from fmnist_edge.export.reference import Reference
from fmnist_edge.runtime import open_runner

if TYPE_CHECKING:
    import keras

    from fmnist_edge.export.calibration import Calibration


@pytest.fixture(scope="module")
def reference(compact_run: Path) -> Reference:
    from fmnist_edge.train.keras_model import load_keras_model

    return Reference(load_keras_model(compact_run / "model.keras"))


def test_the_reference_is_the_validation_split(reference: Reference) -> None:
    assert (reference.split.name, len(reference.split)) == ("validation", 5_000)
    assert reference.probabilities.shape == (5_000, 10)


@pytest.mark.parametrize("best", [MIN_MAX, *METHODS])
def test_the_method_that_agrees_best_is_kept(
    best: str, reference: Reference, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter([MIN_MAX, *METHODS])

    def planted(content: bytes, reference: Reference) -> Agreement:
        return Agreement(same_label=0.9 if next(names) == best else 0.8, mean_change=0.0)

    monkeypatch.setattr(int8_module, "agreement", planted)
    network = quantize(reference.model, calibration, calibration, reference)
    assert network.method == best
    assert set(network.agreements) == {MIN_MAX, *METHODS}


def test_among_equals_the_least_change_decides(
    reference: Reference, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = iter([0.3, 0.1, 0.2])
    monkeypatch.setattr(int8_module, "agreement", lambda content, reference: Agreement(0.9, next(changes)))
    assert quantize(reference.model, calibration, calibration, reference).method == next(iter(METHODS))


def test_agreement_of_a_real_export(reference: Reference, int8_tflite: Path) -> None:
    found = agreement(int8_tflite.read_bytes(), reference)
    assert 0.97 < found.same_label <= 1
    assert 0 < found.mean_change < 0.02


def test_the_card_tells_the_choice(int8_onnx: Path) -> None:
    with open_runner(int8_onnx) as runner:
        calibration = runner.card.calibration
    assert calibration is not None
    shares = calibration["same_label_on_validation"]
    assert set(shares) == {MIN_MAX, *METHODS}
    assert shares[calibration["method"]] == max(shares.values())
    assert calibration["logits"]["method"] == "runner-up range"


def test_a_network_without_a_dense_softmax_has_no_logits_on_its_card(
    network: Callable[..., keras.Model], tmp_path: Path
) -> None:
    import keras

    from fmnist_edge.export.exporter import export
    from fmnist_edge.export.recipe import INT8

    pixels = keras.Input((28, 28, 1), name="pixels")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    answers = keras.layers.Softmax()(keras.layers.Dense(10)(flat))
    keras.Model(pixels, answers, name="split").save(tmp_path / "split.keras")
    (written,) = export(tmp_path / "split.keras", [INT8], ["onnx"], tmp_path)
    with open_runner(written.path) as runner:
        assert runner.card.calibration is not None
        assert "logits" not in runner.card.calibration
