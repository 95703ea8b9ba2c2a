"""Which validation images a model was not trained on: all 5,000, or fewer where its last training took the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..dataset.splits import VALIDATION_COUNT
from ..runtime.card import NoCardError, read_card
from ..runtime.runner import SUFFIXES
from .run_folder import RunFolder


def holdout_in(training: Mapping[str, Any] | None) -> int:
    """Return how many images were kept out, by what a ModelCard or a run folder says of the training; 5,000 if nothing.

    >>> holdout_in({"options": {"arch": "seed", "holdout": 1000}}), holdout_in(None)
    (1000, 5000)
    """
    held = (training or {}).get("options", {}).get("holdout", VALIDATION_COUNT)
    return held if isinstance(held, int) else VALIDATION_COUNT


def common_holdout(models: Sequence[Path]) -> int:
    """Return how many images were kept out of the training of each of `models`: files with a card, or run folders'.

    Of any other .keras file, and of a file without a card, nothing is known: it counts as kept from all 5,000.

    Raises:
        EdgeError: the card of an exported file is damaged, or the file cannot be read.
    """
    return min((holdout_in(_training(path)) for path in models), default=VALIDATION_COUNT)


def _training(path: Path) -> Mapping[str, Any] | None:
    if path.suffix in SUFFIXES:
        try:
            return read_card(path).training
        except NoCardError:
            return None
    folder = RunFolder(path.parent)
    return folder.read_config() if path == folder.model and folder.is_started() else None
