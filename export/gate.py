"""The gate of an export: a file that may have lost more than the limit is not written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..benchmarks.comparison import compare
from ..benchmarks.gate import drop_failure
from ..common.errors import EdgeError
from ..runtime import open_runner
from .reference import Reference


@dataclass(frozen=True)
class Gate:
    """Holds files against the float model on the validation split.

    Attributes:
        reference: the float model's answers.
        max_drop_points: limit on the upper end of the 95% interval of the drop, in percentage points.
    """

    reference: Reference
    max_drop_points: float

    def check(self, file: Path, *, name: str, explain: Callable[[], str]) -> None:
        """Let an exported file pass, or refuse it.

        Args:
            file: the finished file.
            name: what to call it.
            explain: says which layer to look at; called only when the file is refused.

        Raises:
            EdgeError: with exit code 1, the drop may exceed the limit.
        """
        split = self.reference.split
        with open_runner(file) as runner:
            answers = runner.infer(split.images).argmax(axis=1)
        expected = self.reference.probabilities.argmax(axis=1)
        comparison = compare(expected, answers, split.labels, reference_name="the float model")
        failure = drop_failure(name, comparison.as_json(), self.max_drop_points)
        if failure is not None:
            where = f"on {len(split):,} validation images"
            raise EdgeError(f"{failure} ({where}); it was not written", hint=explain(), exit_code=1)
