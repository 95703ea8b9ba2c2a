"""The three parts of the data: training, validation (cut from the 60,000) and test (only ever evaluated on)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..common.progress import Progress, silent
from .folds import Fold
from .idx import parse_idx
from .labels import LABELS
from .sources import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, DataFile, load_payload, locate

SplitName = Literal["train", "validation", "test"]

VALIDATION_COUNT = 5_000
VALIDATION_SEED = 1708_07747
"""Fixed, and apart from the training seed, so that every model is validated on the same 5,000 images (the number is
the dataset's arXiv identifier)."""


@dataclass(frozen=True)
class Split:
    """One part of Fashion-MNIST.

    Attributes:
        name: which part.
        images: uint8 ``(n, 28, 28)``, 0 is background.
        labels: int64 ``(n,)``, 0 to 9.
        indices: int64 ``(n,)``, positions in the original file (train and validation share one file).
    """

    name: SplitName
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: npt.NDArray[np.int64]) -> Split:
        """Return the images at `positions` of this split as a smaller split of the same name."""
        return Split(self.name, self.images[positions], self.labels[positions], self.indices[positions])

    def first(self, count: int | None) -> Split:
        """Return the first `count` images, or all for None."""
        return self if count is None else self.take(np.arange(min(count, len(self))))

    def only(self, fold: Fold) -> Split:
        """Return the images of `fold` as a smaller split of the same name."""
        return self.take(np.flatnonzero(fold.holds(self.indices)))

    def without(self, fold: Fold) -> Split:
        """Return the images that are not of `fold`, likewise."""
        return self.take(np.flatnonzero(~fold.holds(self.indices)))

    @property
    def sha256(self) -> str:
        """Hash the images and labels of this split, in order."""
        return sha256_hex(self.images.tobytes() + self.labels.tobytes())


def load_split(
    name: SplitName,
    data_dir: Path | None = None,
    *,
    holdout: int = VALIDATION_COUNT,
    progress: Progress = silent,
) -> Split:
    """Load one split of the real dataset, verified.

    Args:
        name: which.
        data_dir: where the dataset is; None looks in the usual places.
        holdout: how many images the validation split has, at most 5,000; those it does not have are training images.
            The splits of fewer lie within those of 5,000.
        progress: told of a download.

    Raises:
        EdgeError: the data cannot be found or fetched, or is not what it must be; or `holdout` cannot be shared equally
            among the classes.
    """
    folder = locate(data_dir, progress=progress)
    if name == "test":
        return _read(folder, TEST_IMAGES, TEST_LABELS, "test")
    whole = _read(folder, TRAIN_IMAGES, TRAIN_LABELS, "train")
    validation = stratified_indices(whole.labels, VALIDATION_COUNT, seed=VALIDATION_SEED)
    if holdout != VALIDATION_COUNT:
        validation = validation[stratified_indices(whole.labels[validation], holdout, seed=VALIDATION_SEED)]
    if name == "validation":
        part = whole.take(validation)
        return Split("validation", part.images, part.labels, part.indices)
    return whole.take(np.setdiff1d(whole.indices, validation))


def stratified_indices(labels: npt.NDArray[np.int64], count: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Choose `count` positions at random, the same number of every class, in ascending order.

    Args:
        labels: int64 ``(n,)``.
        count: how many in all; a multiple of the number of classes.
        seed: the same seed chooses the same positions.

    Raises:
        EdgeError: `count` cannot be shared equally, or a class has too few images.

    >>> stratified_indices(np.array([0, 0, 1, 1]), 2, seed=0).shape
    (2,)
    """
    classes, available = np.unique(labels, return_counts=True)
    share, rest = divmod(count, len(classes))
    if count < 1 or rest or share > available.min():
        raise EdgeError(
            f"cannot choose {count} images with equal shares of {len(classes)} classes",
            expected=f"a multiple of {len(classes)} from {len(classes)} to {available.min() * len(classes)}",
            got=str(count),
        )
    random = np.random.default_rng(seed)
    chosen = [random.choice(np.flatnonzero(labels == label), share, replace=False) for label in classes]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _read(folder: Path, image_file: DataFile, label_file: DataFile, name: SplitName) -> Split:
    images = parse_idx(load_payload(folder, image_file), name=image_file.name)
    labels = parse_idx(load_payload(folder, label_file), name=label_file.name).astype(np.int64)
    check_pair(images, labels, name=image_file.name)
    return Split(name, images, labels, np.arange(len(labels), dtype=np.int64))


def check_pair(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], *, name: str) -> None:
    """Check that images and labels belong together.

    Raises:
        EdgeError: not 28x28 images, another number of labels than images, or a label beyond the ten classes.
    """
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise EdgeError(f"{name} has a wrong shape", expected="(n, 28, 28)", got=str(images.shape))
    if labels.shape != (len(images),):
        raise EdgeError(f"{name} has a wrong count", expected=f"{len(images)} labels", got=str(labels.shape))
    if labels.size and not 0 <= labels.min() <= labels.max() < len(LABELS):
        raise EdgeError(f"{name} has a wrong label", expected=f"0 to {len(LABELS) - 1}", got=str(labels.max()))
