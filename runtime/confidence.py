"""How far an answer can be trusted: probabilities that were too sure of themselves, put right, and a threshold."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from .card import ModelCard

Rows = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Probabilities ``(n, classes)``."""
TINY = 1e-12
"""What a probability of 0 counts as where its logarithm is asked for."""
CLEAR = 0.6
"""Mean highest probability of pictures of the validation split at the temperature for doubts."""
PHOTO_CLARITY = 0.52
"""Share of `CLEAR` that a photo must reach: three in four photos of known clothes do, of other things at most half."""


@dataclass(frozen=True)
class Confidence:
    """What turns a model's probabilities into a confidence that means what it says.

    A trained network is surer than it is right. One number, the temperature, mends most of that: the logits are divided
    by it before the softmax (C. Guo et al., arXiv 1706.04599). Both numbers are fitted on the validation split when the
    model is exported, and travel in its ModelCard.

    The temperature is applied here, and to the confidence alone. The probabilities in the file stay the network's own,
    so that every runtime, `evaluate` and `benchmark` see the same ones, the graph and its digest do not depend on the
    calibration, and no decision is lost: the order of the classes is the same under any temperature.

    Of photos, what matters more is whether they show anything that the network knows: a hat is none of the classes. For
    that, the highest probability serves best at a high temperature (ODIN: S. Liang, Y. Li, R. Srikant, arXiv
    1706.02690), and as the mean over several views, which disagree on strange things. How high depends on the scale of
    a network's logits, so it is fitted, too: pictures of the validation split reach `CLEAR` on average. What share of
    that a photo must reach, `PHOTO_CLARITY`, could not be fitted on the dataset, which has no photos of other things:
    it was chosen on photos of clothes, hats, shorts and skirts.

    Attributes:
        temperature: above 1 where the network is too sure.
        threshold: an answer whose confidence is below it is `unsure`, in [0, 1].
        doubt_temperature: the one for photos of unknown things.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    doubt_temperature: float = 4.0

    @classmethod
    def of_card(cls, card: ModelCard | None, *, source: str) -> Confidence:
        """Read them from a card; a card without them gets the defaults, and so does no card.

        Raises:
            EdgeError: they are there and no such numbers.
        """
        if card is None or card.confidence is None:
            return DEFAULT
        content: Any = card.confidence
        try:
            read = cls(*(float(content[field.name]) for field in fields(cls)))
            usable = all(0 < value < inf for value in (read.temperature, read.doubt_temperature))
            usable &= 0 <= read.threshold <= 1
        except (TypeError, KeyError, ValueError, OverflowError):
            usable = False
        if not usable:
            expected = "temperatures above 0 and a threshold from 0 to 1"
            raise EdgeError(f"{source} has a damaged ModelCard", expected=expected, got=str(content))
        return read

    def of_row(self, row: tuple[float, ...], index: int) -> float:
        """Return the confidence in class `index` of one picture's probabilities.

        >>> round(Confidence(temperature=2.0).of_row((0.9, 0.1), 0), 3)
        0.75
        """
        return _softened(row, index, self.temperature)

    def of_views(self, rows: npt.NDArray[np.float32], index: int) -> tuple[float, bool]:
        """Judge class `index` by several views of one photo, probabilities ``(k, classes)``.

        Returns:
            The confidence, and whether the photo is too unclear to be sure.
        """
        views = [tuple(row) for row in rows.tolist()]
        confidence = sum(self.of_row(row, index) for row in views) / len(views)
        clarity = sum(_softened(row, index, self.doubt_temperature) for row in views) / len(views) / CLEAR
        return confidence, clarity < PHOTO_CLARITY


def soften(probabilities: Rows, temperature: float) -> npt.NDArray[np.float64]:
    """Divide the logits behind probabilities ``(n, classes)`` by `temperature`.

    >>> soften(np.array([[0.9, 0.1]]), 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    logits = np.log(np.maximum(probabilities, TINY, dtype=np.float64)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    softened: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return softened


def _softened(row: tuple[float, ...], index: int, temperature: float) -> float:
    """Return the probability of `index` after the logits behind `row` are divided by `temperature`."""
    power = 1 / temperature
    return float(row[index] ** power / sum([value**power for value in row]))


DEFAULT = Confidence()
"""Of files that were exported before there was a calibration: more likely wrong than right is unsure."""
