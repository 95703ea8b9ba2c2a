"""How far an answer can be trusted: probabilities that were too sure of themselves, put right, and a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from .card import ModelCard


@dataclass(frozen=True)
class Confidence:
    """What turns a model's probabilities into a confidence that means what it says.

    A trained network is surer than it is right. One number, the temperature, mends most of that: the logits are divided
    by it before the softmax (C. Guo et al., arXiv 1706.04599). Both numbers are fitted on the validation split when the
    model is exported, and travel in its ModelCard.

    The temperature is applied here, and to the confidence alone. The probabilities in the file stay the network's own,
    so that every runtime, `evaluate` and `benchmark` see the same ones, the graph and its digest do not depend on the
    calibration, and no decision is lost: the order of the classes is the same under any temperature.

    Attributes:
        temperature: above 1 where the network is too sure.
        threshold: an answer whose confidence is below it is `unsure`, in [0, 1].
    """

    temperature: float = 1.0
    threshold: float = 0.5

    @classmethod
    def of_card(cls, card: ModelCard, *, source: str) -> Confidence:
        """Read both from a card; a card without them gets the defaults.

        Raises:
            EdgeError: they are there and no such numbers.
        """
        if card.confidence is None:
            return DEFAULT
        content: Any = card.confidence
        try:
            read = cls(float(content["temperature"]), float(content["threshold"]))
            usable = 0 < read.temperature < float("inf") and 0 <= read.threshold <= 1
        except (TypeError, KeyError, ValueError):
            usable = False
        if not usable:
            expected = "a temperature above 0 and a threshold from 0 to 1"
            raise EdgeError(f"{source} has a damaged ModelCard", expected=expected, got=str(content))
        return read

    def of_row(self, row: tuple[float, ...], index: int) -> float:
        """Return the confidence in class `index` of one picture's probabilities.

        >>> round(Confidence(temperature=2.0).of_row((0.9, 0.1), 0), 3)
        0.75
        """
        power = 1 / self.temperature
        return float(row[index] ** power / sum([value**power for value in row]))

    def of_views(self, rows: npt.NDArray[np.float32], index: int) -> float:
        """Return the confidence in class `index` of several views of one picture, probabilities ``(k, classes)``.

        Views that disagree lower the mean: that is how a photo shows that it is unlike what the network knows.
        """
        return float(np.mean([self.of_row(tuple(row), index) for row in rows.tolist()]))


DEFAULT = Confidence()
"""Of files that were exported before there was a calibration: more likely wrong than right is unsure."""
