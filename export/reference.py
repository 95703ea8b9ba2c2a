"""The float model's answers to the validation split, which exports are held against."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..dataset import Split, load_split
from ..train.keras_model import KerasRunner


@dataclass
class Reference:
    """Computes what it is asked for once.

    Attributes:
        model: the float model.
        data_dir: where the dataset is; None looks in the usual places.
    """

    model: keras.Model
    data_dir: Path | None = None

    @functools.cached_property
    def split(self) -> Split:
        """The validation split."""
        return load_split("validation", self.data_dir)

    @functools.cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The float model's answers, float32 ``(n, classes)``."""
        return KerasRunner(self.model).infer(self.split.images)
