"""The way to quantize is the one that is expected to change the fewest labels, and is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fmnist_edge.export import int8 as int8_module
from fmnist_edge.export.int8 import MIN_MAX, STRENGTHS, _candidates, quantize
from fmnist_edge.export.ranges import METHODS
from fmnist_edge.export.reference import Reference
from fmnist_edge.export.tflite import convert_scaled
from fmnist_edge.export.trace import infer
from fmnist_edge.runtime import open_runner

if TYPE_CHECKING:
    import keras

    from fmnist_edge.export.calibration import Calibration


def test_the_reference_is_the_validation_split(reference: Reference) -> None:
    assert (reference.split.name, len(reference.split)) == ("validation", 5_000)
    assert reference.probabilities.shape == (5_000, 10)


NAMES = [f"{method}, equalization {strength:g}" for strength in STRENGTHS for method in (MIN_MAX, *METHODS)]


@pytest.mark.parametrize("best", range(len(NAMES)), ids=NAMES)
def test_the_candidate_that_should_change_the_fewest_labels_is_kept(
    best: int, reference: Reference, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter(0.1 if position == best else 0.2 for position in range(len(NAMES)))
    monkeypatch.setattr(int8_module, "expected_changes", lambda content, reference: next(scores))
    network = quantize(reference.model, calibration, calibration, reference)
    assert network.chosen.name == NAMES[best]
    assert list(network.expected_changes) == NAMES


def test_every_candidate_is_the_same_network_in_float(reference: Reference, calibration: Calibration) -> None:
    float_network = convert_scaled(reference.model)
    images = float_network.scaling.apply(calibration.split.images)
    expected = infer(float_network.content, images)
    candidates = list(_candidates(float_network, float_network.logit_range(calibration), calibration))
    assert len({candidate.content for candidate in candidates}) == len(NAMES)
    for content in {candidate.float_content for candidate in candidates}:
        np.testing.assert_allclose(infer(content, images), expected, atol=1e-5)


def test_the_card_tells_the_choice(int8_onnx: Path) -> None:
    with open_runner(int8_onnx) as runner:
        calibration = runner.card.calibration
    assert calibration is not None
    expected = calibration["expected_changes_on_validation"]
    assert set(expected) == set(NAMES)
    chosen = f"{calibration['method']}, equalization {calibration['equalization']:g}"
    assert expected[chosen] == min(expected.values())
    assert 0.97 < calibration["same_label_on_validation"] <= 1
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
