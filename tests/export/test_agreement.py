"""Agreement by hand, on a real export, and with faults planted in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.export.agreement import agreement, best_two_gaps, expected_changes, share_changed
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.reference import Reference


def coarser(content: bytes) -> bytes:
    """Return an int8 model whose weights have three bits less."""
    model = read_model(content)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if operator_name(model, operator) in {"CONV_2D", "FULLY_CONNECTED"}:
            buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            weights = np.asarray(buffer.data).view(np.int8)
            buffer.data = np.clip(np.round(weights / 8) * 8, -127, 127).astype(np.int8).view(np.uint8)
    return write_model(model)


def test_agreement_of_a_real_export_and_of_a_coarser_one(reference: Reference, int8_tflite: Path) -> None:
    content = int8_tflite.read_bytes()
    found, worse = agreement(content, reference), agreement(coarser(content), reference)
    assert 0.97 < found.same_label <= 1
    assert 0 < found.mean_change < 0.02
    assert worse.same_label < found.same_label
    assert worse.mean_change > 1.5 * found.mean_change


def test_the_expected_share_is_near_the_counted_one(reference: Reference, int8_tflite: Path) -> None:
    for content in (int8_tflite.read_bytes(), coarser(int8_tflite.read_bytes())):
        counted = 1 - agreement(content, reference).same_label
        chance = 3 * np.sqrt(counted / len(reference.split))
        assert expected_changes(content, reference) == pytest.approx(counted, rel=0.5, abs=chance)


def test_gaps_are_those_of_the_classes_that_the_float_model_likes_best() -> None:
    expected = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], np.float32)
    answers = np.array([[0.7, 0.1, 0.2], [0.6, 0.4, 0.0]], np.float32)
    gaps = best_two_gaps(expected, answers)
    assert gaps[0] == pytest.approx(np.log(0.1 / 0.2))
    assert gaps[1] == pytest.approx(np.log(0.6 / 1e-30))


@pytest.mark.parametrize(
    ("changes", "share"),
    [([0.0, 0.0], 0.0), ([-0.5, -0.5], 0.0), ([-1.0], 0.0), ([-1.5], 0.5), ([-5.0], 1.0), ([-1.5, 9.0], 0.25)],
)
def test_a_change_turns_the_gaps_that_are_smaller(changes: list[float], share: float) -> None:
    assert share_changed(np.array([1.0, 2.0]), np.array(changes)) == share
