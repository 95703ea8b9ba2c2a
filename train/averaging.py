"""Averaging weights: a training that keeps taking large steps ends beside the best place, its average in the middle.

After P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv 1803.05407, with a
running average, which the optimizer keeps, instead of that of a few epochs. The statistics of the normalizations are
those of the weights that were trained, so they are measured anew for the average, on training images as they are: Y. Wu
and J. Johnson, "Rethinking 'Batch' in BatchNorm", arXiv 2105.07576, section 3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt

MEASURED_IMAGES = 5_000
"""Training images that the statistics are measured on."""
_BATCH = 500


class KeepTrainedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Keep `fit` from leaving the average in the model: the next epoch goes on with what was trained."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remember the weights that were trained."""
        self._trained = [np.array(weight) for weight in self.model.trainable_variables]

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Put them back."""
        for weight, trained in zip(self.model.trainable_variables, self._trained, strict=True):
            weight.assign(trained)


@contextlib.contextmanager
def averaged(model: keras.Model, images: npt.NDArray[np.uint8]) -> Iterator[None]:
    """Let `model` have the running average of its weights, where its optimizer keeps one, while the block runs.

    Args:
        model: a compiled model.
        images: training images, uint8 ``(n, 28, 28)``, that the statistics of the average are measured on.
    """
    if not model.optimizer.use_ema:
        yield
        return
    kept = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    _measure_statistics(model, images[:MEASURED_IMAGES])
    try:
        yield
    finally:
        model.set_weights(kept)


def _measure_statistics(model: keras.Model, images: npt.NDArray[np.uint8]) -> None:
    """Give the normalizations the mean of the statistics of all batches, and each of these the same weight."""
    norms = list(_normalizations(model))
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    batches = np.array_split(images[..., np.newaxis].astype(np.float32), max(len(images) // _BATCH, 1))
    for count, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = count / (count + 1)
        model(batch, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _normalizations(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _normalizations(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
