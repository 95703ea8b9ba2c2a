"""The pictures of a training run: curves and misclassified samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ..benchmarks.pictures import save_figure, save_image_grid
from ..dataset import LABELS, Split
from .run_folder import EpochRecord


def save_curves(history: list[EpochRecord], path: Path) -> Path:
    """Write a PNG of loss and accuracy by epoch, training and validation."""
    epochs = [record.epoch for record in history]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, name in ((left, "loss"), (right, "accuracy")):
        axes.plot(epochs, [getattr(record, name) for record in history], marker="o", label="training")
        axes.plot(epochs, [getattr(record, f"val_{name}") for record in history], marker="s", label="validation")
        axes.set(title=name, xlabel="epoch")
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return save_figure(figure, path)


def save_misclassified(split: Split, probabilities: npt.NDArray[np.float32], path: Path, *, seed: int) -> Path:
    """Write a PNG of up to 18 misclassified images of `split`, chosen at random by `seed`.

    Args:
        split: the images and true labels.
        probabilities: float32 ``(n, 10)``, the model's answers to them.
        path: the PNG.
        seed: the same seed shows the same images.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != split.labels)
    chosen = np.sort(np.random.default_rng(seed).choice(wrong, min(18, len(wrong)), replace=False))
    captions = [
        f"true {LABELS[split.labels[i]]}\npredicted {LABELS[predicted[i]]} ({probabilities[i].max():.0%})"
        for i in chosen
    ]
    title = f"{len(chosen)} of {len(wrong)} misclassified images of the {split.name} split ({len(split):,} images)"
    return save_image_grid(split.images[chosen], captions, path, title=title)
