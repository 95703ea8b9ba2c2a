"""Folds: equal parts of the training images, of which a model may leave out one, to be asked about it later.

What a model answers about pictures that it was trained on is half remembered. Models that left out one fold each can
answer for all pictures, each for those that it never saw (cross-fitting).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError

MAX_FOLDS = 100
_FORM = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,2})")


@dataclass(frozen=True)
class Fold:
    """One of `count` equal parts of the training images, by their position in the dataset's file.

    Attributes:
        number: which, from 1 to `count`.
        count: how many there are, 2 to 100.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Fold:
        """Read a fold as people write it.

        Raises:
            EdgeError: it has another form, or there is no such fold.

        >>> Fold.parse("2/3")
        Fold(number=2, count=3)
        """
        match = _FORM.fullmatch(text)
        number, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (2 <= count <= MAX_FOLDS and number <= count):
            expected = f"a part of the training images, as 1/2, of at most {MAX_FOLDS}"
            raise EdgeError("unusable fold", expected=expected, got=repr(text), hint="see train --help")
        return cls(number, count)

    def __str__(self) -> str:
        """Write it as people do: ``2/3``."""
        return f"{self.number}/{self.count}"

    def holds(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Tell which images are in this fold.

        The dataset's file is shuffled, so every so manieth image is as good a draw as any.

        Args:
            indices: int64 ``(n,)``, positions in the file, as `Split` has them.

        Returns:
            bool ``(n,)``.

        >>> Fold(1, 3).holds(np.arange(7)).astype(int)
        array([1, 0, 0, 1, 0, 0, 1])
        """
        return np.equal(indices % self.count, self.number - 1)
