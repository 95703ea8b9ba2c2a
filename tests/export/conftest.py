"""What the export tests share: calibration images, small networks, and the answers of the exported files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge.dataset import Split, load_split
from fmnist_edge.export import require_converters
from fmnist_edge.runtime import open_runner

if TYPE_CHECKING:
    import keras

    from fmnist_edge.export.calibration import Calibration
    from fmnist_edge.export.reference import Reference

require_converters()


@pytest.fixture(scope="session")
def train_split() -> Split:
    return load_split("train")


@pytest.fixture(scope="session")
def calibration(train_split: Split) -> Calibration:
    """A hundred images, which is enough for small networks."""
    from fmnist_edge.export.calibration import Calibration

    return Calibration.choose(train_split, count=100)


@pytest.fixture(scope="session")
def to_int8(calibration: Calibration) -> Callable[[keras.Model], bytes]:
    """Convert a small network to an int8 TFLite model."""
    from fmnist_edge.export.logits import set_logit_range
    from fmnist_edge.export.tflite import convert_scaled, quantize_int8

    def convert(model: keras.Model) -> bytes:
        float_network = convert_scaled(model)
        content = quantize_int8(float_network.content, float_network.scaling, calibration)
        logits = float_network.logit_range(calibration)
        return content if logits is None else set_logit_range(content, *logits)

    return convert


@pytest.fixture(scope="session")
def reference(compact_run: Path) -> Reference:
    """The compact model's answers to the validation split."""
    from fmnist_edge.export.reference import Reference
    from fmnist_edge.train.keras_model import load_keras_model

    return Reference(load_keras_model(compact_run / "model.keras"))


@pytest.fixture(scope="session")
def thousand(test_split: Split) -> Split:
    """The first 1,000 test images."""
    return test_split.first(1_000)


@pytest.fixture(scope="session")
def answers(exports: Path, thousand: Split) -> Callable[[str], npt.NDArray[np.float32]]:
    """Map the name of an exported file to its probabilities on the 1,000 images, float32 ``(1000, 10)``."""

    @functools.cache
    def infer(name: str) -> npt.NDArray[np.float32]:
        with open_runner(exports / name) as runner:
            return runner.infer(thousand.images)

    return infer


def build_network(
    middle: Callable[[Any], Any],
    *,
    scaling: keras.layers.Layer | None = None,
    activation: str | None = "softmax",
    classes: int = 10,
) -> keras.Model:
    """Build a small untrained network: `scaling` (1/255 where not given), `middle`, a dense layer.

    A layer as `middle` is made anew, because a layer draws the seed of its weights when it is made: one that was made
    before the seed was set would have other weights in every run.
    """
    import keras

    keras.utils.set_random_seed(1)
    if isinstance(middle, keras.layers.Layer):
        middle = type(middle).from_config(middle.get_config())
    pixels = keras.Input((28, 28, 1), name="pixels")
    scaled = (keras.layers.Rescaling(1 / 255) if scaling is None else scaling)(pixels)
    values = middle(scaled)
    flat = values if len(values.shape) == 2 else keras.layers.Flatten()(values)
    dense = keras.layers.Dense(classes, activation=activation, bias_initializer="random_normal")
    return keras.Model(pixels, dense(flat), name="tiny")


@pytest.fixture(scope="session")
def network() -> Callable[..., keras.Model]:
    """The function `build_network`."""
    return build_network
