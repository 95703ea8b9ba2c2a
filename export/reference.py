"""The float model's answers to the validation split, which exports are held against."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..dataset import Split, load_split
from ..dataset.splits import VALIDATION_COUNT
from ..train.keras_model import KerasRunner


@dataclass
class Reference:
    """Computes what it is asked for once.

    Attributes:
        model: the float model.
        data_dir: where the dataset is; None looks in the usual places.
        holdout: how many images of the validation split were kept out of the model's training.
    """

    model: keras.Model
    data_dir: Path | None = None
    holdout: int = VALIDATION_COUNT

    @functools.cached_property
    def split(self) -> Split:
        """The validation split, as far as the model has not seen it."""
        return load_split("validation", self.data_dir, holdout=self.holdout)

    @functools.cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The float model's answers, float32 ``(n, classes)``."""
        return KerasRunner(self.model).infer(self.split.images)
