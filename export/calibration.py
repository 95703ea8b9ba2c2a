"""The images that activation ranges are measured on: of the training split only, stratified, seeded, recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.errors import EdgeError
from ..dataset import Split
from ..dataset.sources import DATASET_SHA256
from ..dataset.splits import stratified_indices

DEFAULT_COUNT = 500
DEFAULT_SEED = 0
LOGIT_COUNT = 3_000
LOGIT_SEED = 1


@dataclass(frozen=True)
class Calibration:
    """A choice of training images.

    Attributes:
        split: the chosen images, of the training split.
        seed: what they were chosen with.
    """

    split: Split
    seed: int

    @classmethod
    def choose(cls, split: Split, *, count: int = DEFAULT_COUNT, seed: int = DEFAULT_SEED) -> Calibration:
        """Choose `count` images of `split`, the same number of every class.

        Raises:
            EdgeError: `split` is not the training split, or `count` cannot be shared equally.
        """
        if split.name != "train":
            got = f"the {split.name} split"
            raise EdgeError("calibration would see images that models are judged by", expected="train", got=got)
        return cls(split.take(stratified_indices(split.labels, count, seed=seed)), seed)

    def describe(self, *, with_indices: bool = True) -> dict[str, Any]:
        """Return what the ModelCard records: enough to choose the same images again.

        Args:
            with_indices: list the positions in the original file, too, which takes about six bytes each.
        """
        chosen = {"split": self.split.name, "count": len(self.split), "seed": self.seed}
        indices = {"indices": self.split.indices.tolist()} if with_indices else {}
        return {**chosen, **indices, "dataset_sha256": DATASET_SHA256}
