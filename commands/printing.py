"""How answers are printed: as a table, as JSON, as comma-separated values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..common.errors import printable
from .lines import print_json

if TYPE_CHECKING:
    from ..runtime.gather import Answer

    Write = Callable[[Answer, int], None]


def write_now(answers: Iterable[Answer], write: Write, top: int) -> None:
    """Print answers as they come, each at once: the next one may be hours away."""
    for answer in answers:
        write(answer, top)
        sys.stdout.flush()


def write_json(answer: Answer, top: int, *, key: str = "file") -> None:
    """Print one answer as one line of JSON, with its name under `key`."""
    print_json(as_json(answer, top, key=key))


def as_json(answer: Answer, top: int, *, key: str = "file") -> dict[str, Any]:
    """Return one answer with its name under `key`."""
    prediction = answer.prediction
    best = [{"label": label, "probability": probability} for label, probability in prediction.top(top)]
    said = {"label": prediction.label, "index": prediction.index, "probability": prediction.probability}
    trust = {"confidence": prediction.confidence, "unsure": prediction.unsure}
    return {key: answer.name, **said, **trust, "as": answer.prepared.kind, "top": best}


def csv_writer(top: int) -> Write:
    """Print the head of a table of comma-separated values, and return what prints its rows."""
    import csv  # tables and JSON do without

    rows = csv.writer(sys.stdout, lineterminator="\n")
    ranks = [f"{field}_{rank}" for rank in range(2, top + 1) for field in ("label", "probability")]
    rows.writerow(["file", "label", "probability", "confidence", "unsure", *ranks])

    def write(answer: Answer, top: int) -> None:
        said = answer.prediction
        others = [value for pair in said.top(top)[1:] for value in pair]
        unsure = "yes" if said.unsure else "no"
        rows.writerow([answer.name, said.label, said.probability, said.confidence, unsure, *others])

    return write


def table_writer(names: Sequence[str]) -> Write:
    """Return what prints the rows of a table in which the longest of `names` fits."""
    width = max((len(name) for name in names), default=0)

    def write(answer: Answer, top: int) -> None:
        ranked = [f"{label:<11} {probability:6.1%}" for label, probability in answer.prediction.top(top)]
        unsure = "  unsure" if answer.prediction.unsure else ""
        print(f"{printable(answer.name):<{width}}  {'  '.join(ranked)}{unsure}")

    return write
