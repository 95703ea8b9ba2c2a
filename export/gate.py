"""The gate of an export: a file that may have lost more than the limit is not written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..benchmarks.comparison import compare
from ..benchmarks.gate import drop_failure
from ..common.errors import EdgeError
from ..dataset import Split, load_split
from ..runtime import open_runner
from ..train.keras_model import KerasRunner


@dataclass
class Gate:
    """Holds files against the float model on the validation split.

    Attributes:
        model: the float model.
        max_drop_points: limit on the upper end of the 95% interval of the drop, in percentage points.
        data_dir: where the dataset is; None looks in the usual places.
    """

    model: keras.Model
    max_drop_points: float
    data_dir: Path | None = None

    @functools.cached_property
    def _validation(self) -> Split:
        return load_split("validation", self.data_dir)

    @functools.cached_property
    def _reference(self) -> npt.NDArray[np.int64]:
        answers: npt.NDArray[np.int64] = KerasRunner(self.model).infer(self._validation.images).argmax(axis=1)
        return answers

    def check(self, file: Path, *, name: str, explain: Callable[[], str]) -> None:
        """Let an exported file pass, or refuse it.

        Args:
            file: the finished file.
            name: what to call it.
            explain: says which layer to look at; called only when the file is refused.

        Raises:
            EdgeError: with exit code 1, the drop may exceed the limit.
        """
        with open_runner(file) as runner:
            answers = runner.infer(self._validation.images).argmax(axis=1)
        comparison = compare(self._reference, answers, self._validation.labels, reference_name="the float model")
        failure = drop_failure(name, comparison.as_json(), self.max_drop_points)
        if failure is not None:
            where = f"on {len(self._validation):,} validation images"
            raise EdgeError(f"{failure} ({where}); it was not written", hint=explain(), exit_code=1)
