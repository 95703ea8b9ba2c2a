"""The int8 network: every way of choosing its ranges is tried, and the one kept that answers most like float."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from ..common.progress import Progress, silent
from .agreement import Agreement, agreement, expected_changes
from .calibration import Calibration
from .equalization import equalize
from .logits import set_logit_range
from .pixels import Scaling
from .ranges import METHODS, clip_activations
from .reference import Reference
from .rounding import METHOD as COMPENSATED
from .rounding import round_with_compensation
from .sums import settle_sums
from .tflite import FloatNetwork, convert_scaled, quantize_int8
from .trace import trace

MIN_MAX = "min-max"
STRENGTHS = (0.0, 0.5, 1.0)
"""How far the channels are equalized, from not at all to wholly."""
TRACED_IMAGES = 200
"""Calibration images whose activations are kept, which for the seed takes 100 MB."""


@dataclass(frozen=True)
class Candidate:
    """One way to quantize.

    Attributes:
        method: how the ranges of the activations were chosen.
        equalization: how far the channels were equalized before, in [0, 1].
        content: the flatbuffer.
        float_content: the float network that was quantized, as TFLite of scaled pixels.
    """

    method: str
    equalization: float
    content: bytes
    float_content: bytes

    @property
    def name(self) -> str:
        """What the ModelCard calls it."""
        return f"{self.method}, equalization {self.equalization:g}"


@dataclass(frozen=True)
class Recovery:
    """What rounding the weights anew, so that their errors cancel (see `rounding`), was worth.

    Attributes:
        used: whether it is expected to change fewer labels than without it, and was kept.
        expected_changes: expected share of changed labels on the validation split with it.
        calibration: images that the weights were rounded for.
    """

    used: bool
    expected_changes: float
    calibration: Calibration

    def describe(self) -> dict[str, Any]:
        """Return what the ModelCard records."""
        figures = {"used": self.used, "expected_changes_on_validation": round(self.expected_changes, 6)}
        return {"method": COMPENSATED, **figures, **self.calibration.describe(with_indices=False)}


@dataclass(frozen=True)
class Int8Network:
    """An int8 network, as TFLite without a card.

    Attributes:
        chosen: the way to quantize that was kept.
        expected_changes: expected share of changed labels on the validation split, of every candidate by name.
        agreement: of the chosen one, on the whole validation split.
        clips_logits: whether the logits have the runner-up's range.
        scaling: of the pixels that the float network takes.
        recovery: what rounding the weights anew was worth; None where it was not tried.
    """

    chosen: Candidate
    expected_changes: Mapping[str, float]
    agreement: Agreement
    clips_logits: bool
    scaling: Scaling
    recovery: Recovery | None = None

    @property
    def content(self) -> bytes:
        """The flatbuffer."""
        return self.chosen.content

    @property
    def float_content(self) -> bytes:
        """The same network as float TFLite, which takes scaled pixels."""
        return self.chosen.float_content

    def describe(self) -> dict[str, Any]:
        """Return what the ModelCard records of the choice."""
        return {
            "method": self.chosen.method,
            "equalization": self.chosen.equalization,
            "same_label_on_validation": self.agreement.same_label,
            "expected_changes_on_validation": {name: round(share, 6) for name, share in self.expected_changes.items()},
            "recovery": None if self.recovery is None else self.recovery.describe(),
        }


def quantize(
    model: keras.Model,
    calibration: Calibration,
    logit_calibration: Calibration,
    reference: Reference,
    *,
    recovery_calibration: Calibration | None = None,
    progress: Progress = silent,
) -> Int8Network:
    """Quantize `model` in every way, and keep the best: the one that is expected to change the fewest labels.

    The validation split may choose, because the test split judges.

    Args:
        model: the float model.
        calibration: images that activations are measured on.
        logit_calibration: images that the range of the logits is measured on; more of them, because only the few on
            which two classes are close tell of it (see `logits`).
        reference: the float model's answers to the validation split.
        recovery_calibration: images to round the weights of the best candidate anew for; None leaves them as they are.
        progress: told of every candidate.

    Raises:
        EdgeError: see `quantize_int8`.
    """
    steps = 1 + len(STRENGTHS) * (1 + len(METHODS))
    progress("quantizing", 0, steps)
    network = convert_scaled(model)
    gc.collect()  # the converter's graphs refer to each other, and hold the weights several times over
    logit_range = network.logit_range(logit_calibration)
    found: dict[str, float] = {}

    def changes(candidate: Candidate) -> float:
        found[candidate.name] = expected_changes(candidate.content, reference)
        progress("quantizing", len(found), steps)
        return found[candidate.name]

    chosen = min(_candidates(network, logit_range, calibration), key=changes)
    recovery = None
    if recovery_calibration is not None:
        recovered = _round_anew(chosen, network.scaling, recovery_calibration, progress)
        after = expected_changes(recovered.content, reference)
        recovery = Recovery(after < found[chosen.name], after, recovery_calibration)
        chosen = recovered if recovery.used else chosen
    measured = agreement(chosen.content, reference)
    return Int8Network(chosen, found, measured, logit_range is not None, network.scaling, recovery)


def _round_anew(candidate: Candidate, scaling: Scaling, calibration: Calibration, progress: Progress) -> Candidate:
    pixels, float_content = calibration.split.images, candidate.float_content
    content = round_with_compensation(
        candidate.content, float_content, pixels, scaling.apply(pixels), progress=progress
    )
    return replace(candidate, content=content)


def _candidates(
    network: FloatNetwork, logit_range: tuple[float, float] | None, calibration: Calibration
) -> Iterator[Candidate]:
    traced = network.scaling.apply(calibration.split.images[:TRACED_IMAGES])
    activations = trace(network.content, traced)
    for strength in STRENGTHS:
        float_content = equalize(network.content, activations, strength) if strength else network.content
        content = quantize_int8(float_content, network.scaling, calibration)
        if logit_range is not None:
            content = set_logit_range(content, *logit_range)
        yield Candidate(MIN_MAX, strength, settle_sums(content), float_content)
        equalized = trace(float_content, traced) if strength else activations
        for method in METHODS:
            clipped = settle_sums(clip_activations(content, equalized, method))
            yield Candidate(method, strength, clipped, float_content)
