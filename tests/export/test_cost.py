"""What an untrained network is said to cost is what its export costs."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from fmnist_edge.benchmarks.boards.sysroot import Sysroot
from fmnist_edge.benchmarks.boards.tools import missing_tools
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export.cost import CostMeter
from fmnist_edge.export.inspection import inspect, macs_of
from fmnist_edge.train.architectures import load_architecture


@pytest.fixture(scope="module")
def untrained() -> keras.Model:
    return load_architecture("compact")(classes=10, dropout=0.0)


def test_size_and_arithmetic_are_those_of_the_export(untrained: keras.Model, exports: Path) -> None:
    costs = CostMeter().measure(untrained)
    files = [exports / f"fmnist-compact-int8.{kind}" for kind in ("onnx", "tflite")]
    assert set(costs) == {"size", "macs"}
    assert costs["macs"] == macs_of(inspect(files[1]).layers)
    assert 0 < max(path.stat().st_size for path in files) - costs["size"] < 6_000  # a finished file's card says more


@pytest.mark.skipif(bool(missing_tools()), reason="no emulator on this machine; run: make system")
def test_instructions_are_counted_on_every_board() -> None:
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 4, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    meter = CostMeter(("pi4", "pi5"))
    costs = meter.measure(model)
    if not meter._sysroot.cannot_count:
        assert 20_000 < costs["instructions-pi5"] < costs["instructions-pi4"] < 500_000


def test_an_emulator_that_cannot_count_is_an_error(untrained: keras.Model, tmp_path: Path) -> None:
    meter = CostMeter(("pi5",))
    meter.__dict__["_sysroot"] = Sysroot(tmp_path, "3.11", {}, cannot_count="this QEMU has no plugins")
    with pytest.raises(EdgeError, match="instructions cannot be counted; got this QEMU has no plugins; next: use macs"):
        meter.measure(untrained)


def test_a_network_that_cannot_run_in_int8_is_an_error() -> None:
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    x = keras.layers.Dense(10, activation="softmax")(keras.ops.erf(x))
    with pytest.raises(EdgeError):
        CostMeter().measure(keras.Model(pixels, x, name="odd"))
