"""What a model was not trained on: 5,000 validation images, or fewer where its last training took the rest; a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..common.box import FOLDER
from ..common.errors import EdgeError
from ..dataset.folds import Fold
from ..dataset.splits import VALIDATION_COUNT
from ..runtime.card import NoCardError, read_card
from ..runtime.runner import SUFFIXES
from .options import TrainOptions
from .run_folder import RunFolder


def holdout_in(training: Mapping[str, Any] | None) -> int:
    """Return how many images were kept out, by what a ModelCard or a run folder says of the training; 5,000 if nothing.

    >>> holdout_in({"options": {"arch": "seed", "holdout": 1000}}), holdout_in(None)
    (1000, 5000)
    """
    held = (training or {}).get("options", {}).get("holdout", VALIDATION_COUNT)
    return held if isinstance(held, int) else VALIDATION_COUNT


def left_out_fold(path: Path) -> Fold | None:
    """Return the part of the training images that the model at `path` was not trained on, as far as is known.

    Raises:
        EdgeError: see `common_holdout`; or what is written there is no fold.
    """
    return _fold_in(_training(path))


def common_holdout(models: Sequence[Path]) -> int:
    """Return how many images were kept out of the training of each of `models`: files with a card, or run folders'.

    What is known of a .keras file in the box stands in the card of its int8 file. Of any other, and of a file without a
    card, nothing is known: it counts as kept from all 5,000.

    Raises:
        EdgeError: the card of an exported file is damaged, or the file cannot be read.
    """
    return min((holdout_in(_training(path)) for path in models), default=VALIDATION_COUNT)


def common_fold(models: Sequence[Path]) -> Fold:
    """Return the part of the training images that all of `models` were not trained on.

    Raises:
        EdgeError: there is none, as far as is known; or see `left_out_fold`.
    """
    folds = [left_out_fold(path) for path in models]
    fold = folds[0] if folds else None
    if fold is None or any(other != fold for other in folds):
        got = ", ".join(f"{path} without {left or 'a fold'}" for path, left in zip(models, folds, strict=True))
        expected = "models trained with the same --fold"
        raise EdgeError("no training image is new to all models", expected=expected, got=got or "no model")
    return fold


def require_kept_out(models: Sequence[Path], options: TrainOptions) -> None:
    """Check that a base or teachers do not bring along what they learnt of the images that a training keeps out.

    Those are the images that it validates on, and the part that it leaves out to be asked about later.

    Raises:
        EdgeError: one was trained on some of them, as far as is known; or see `common_holdout`.
    """
    for path in models:
        training = _training(path)
        kept = holdout_in(training)
        if kept < options.holdout:
            expected, got = f"at most --holdout {kept}", str(options.holdout)
            what = f"{path} was trained on images that this training would validate on"
            raise EdgeError(what, expected=expected, got=got, hint=f"add --holdout {kept}")
        if options.fold is not None and _fold_in(training) != Fold.parse(options.fold):
            what = f"{path} may have learnt from images that this training leaves out"
            got = f"one without {_fold_in(training) or 'a fold'}"
            hint = "do without it; a teacher of the recipe goes with --no-teacher"
            raise EdgeError(what, expected=f"one trained with --fold {options.fold}", got=got, hint=hint)


def _fold_in(training: Mapping[str, Any] | None) -> Fold | None:
    fold = (training or {}).get("options", {}).get("fold")
    return None if fold is None else Fold.parse(str(fold))


def _training(path: Path) -> Mapping[str, Any] | None:
    if path.suffix in SUFFIXES:
        try:
            return read_card(path).training
        except NoCardError:
            return None
    if path.parent == FOLDER:
        return read_card(path.with_name(f"{path.stem}-int8.onnx")).training
    folder = RunFolder(path.parent)
    return folder.read_config() if path == folder.model and folder.is_started() else None
