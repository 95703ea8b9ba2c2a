"""The int8 network: every method of choosing its ranges is tried, and the one kept that answers most like float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ..common.progress import Progress, silent
from .calibration import Calibration
from .pixels import Scaling
from .ranges import METHODS, clip_activations
from .reference import Reference
from .sums import settle_sums
from .tflite import convert_int8, convert_scaled
from .trace import infer, trace

MIN_MAX = "min-max"
TRACED_IMAGES = 200
"""Calibration images whose activations are kept, which for the seed takes 100 MB."""


@dataclass(frozen=True)
class Agreement:
    """How far an int8 network answers like the float model, on the validation split.

    Attributes:
        same_label: share of the images with the same answer, in [0, 1].
        mean_change: mean absolute change of a probability.
    """

    same_label: float
    mean_change: float


@dataclass(frozen=True)
class Int8Network:
    """An int8 network, as TFLite without a card.

    Attributes:
        content: the flatbuffer.
        method: how the ranges of its activations were chosen.
        agreements: of every method that was tried, by name.
        clips_logits: whether the logits have the runner-up's range.
        float_content: the same network as float TFLite, which takes scaled pixels.
        scaling: of those pixels.
    """

    content: bytes
    method: str
    agreements: Mapping[str, Agreement]
    clips_logits: bool
    float_content: bytes
    scaling: Scaling

    def describe(self) -> dict[str, Any]:
        """Return what the ModelCard records of the choice."""
        return {
            "method": self.method,
            "same_label_on_validation": {name: found.same_label for name, found in self.agreements.items()},
        }


def quantize(
    model: keras.Model,
    calibration: Calibration,
    logit_calibration: Calibration,
    reference: Reference,
    *,
    progress: Progress = silent,
) -> Int8Network:
    """Quantize `model` by every method, and keep the best.

    Best is the highest share of validation images with the float model's label; among equals, the least change of the
    probabilities. The validation split may choose, because the test split judges.

    Args:
        model: the float model.
        calibration: images that activations are measured on.
        logit_calibration: images that the range of the logits is measured on.
        reference: the float model's answers to the validation split.
        progress: told of every method.

    Raises:
        EdgeError: see `convert_int8`.
    """
    steps = 1 + len(METHODS)
    progress("quantizing", 0, steps)
    content, clips_logits = convert_int8(model, calibration, logit_calibration)
    candidates = {MIN_MAX: settle_sums(content)}
    float_content, scaling = convert_scaled(model)
    activations = trace(float_content, scaling.apply(calibration.split.images[:TRACED_IMAGES]))
    for done, method in enumerate(METHODS, start=1):
        progress("quantizing", done, steps)
        candidates[method] = settle_sums(clip_activations(content, activations, method))
    agreements = {name: agreement(candidate, reference) for name, candidate in candidates.items()}
    best = max(agreements, key=lambda name: (agreements[name].same_label, -agreements[name].mean_change))
    progress("quantizing", steps, steps)
    return Int8Network(candidates[best], best, agreements, clips_logits, float_content, scaling)


def agreement(content: bytes, reference: Reference) -> Agreement:
    """Measure how far the int8 TFLite model `content` answers like the float model."""
    expected = reference.probabilities
    answers = infer(content, reference.split.images)
    same = answers.argmax(axis=1) == expected.argmax(axis=1)
    return Agreement(same_label=float(same.mean()), mean_change=float(np.abs(answers - expected).mean()))
