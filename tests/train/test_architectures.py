"""The architectures: the seed exactly as specified, compact small, all with the same contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train.architectures import architecture_names, load_architecture, recipe_path
from fmnist_edge.train.architectures import search as search_module

SEED_LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("Rescaling", {"scale": 1 / 255, "offset": 0.0}),
    ("Conv2D", {"filters": 32, "kernel_size": (3, 3), "activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("Conv2D", {"filters": 64, "kernel_size": (3, 3), "activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("Conv2D", {"filters": 128, "kernel_size": (3, 3), "activation": "relu", "padding": "valid", "strides": (1, 1)}),
    ("Flatten", {}),
    ("Dense", {"units": 512, "activation": "relu"}),
    ("Dropout", {"rate": 0.2}),
    ("Dense", {"units": 512, "activation": "relu"}),
    ("Dropout", {"rate": 0.2}),
    ("Dense", {"units": 10, "activation": "softmax"}),
]


@pytest.fixture(scope="module")
def seed() -> keras.Model:
    return load_architecture("seed")(classes=10, dropout=0.2)


@pytest.fixture(scope="module")
def compact() -> keras.Model:
    return load_architecture("compact")(classes=10, dropout=0.2)


@pytest.fixture(scope="module")
def strong() -> keras.Model:
    return load_architecture("strong")(classes=10, dropout=0.2)


@pytest.fixture(scope="module")
def large() -> keras.Model:
    return load_architecture("large")(classes=10, dropout=0.2)


@pytest.fixture(scope="module")
def search() -> keras.Model:
    return load_architecture("search")(classes=10, dropout=0.2)


def test_the_registry_lists_every_module_of_the_folder() -> None:
    assert architecture_names() == ("compact", "large", "search", "seed", "strong")


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    expected = "one of compact, large, search, seed, strong, or path/to/file.py:function"
    with pytest.raises(EdgeError, match=f"unknown architecture 'sede'; expected {expected}; next: see --arch"):
        load_architecture("sede")


def test_the_seed_has_exactly_the_specified_layers(seed: keras.Model) -> None:
    got = [(type(layer).__name__, layer.get_config()) for layer in seed.layers]
    assert [name for name, _ in got] == [name for name, _ in SEED_LAYERS]
    for (_, config), (_, expected) in zip(got, SEED_LAYERS, strict=True):
        assert {key: config[key] for key in expected} == expected


def test_the_seed_has_exactly_the_specified_parameters(seed: keras.Model) -> None:
    assert seed.count_params() == 32_080_394
    assert [layer.count_params() for layer in seed.layers if layer.weights] == [
        3 * 3 * 1 * 32 + 32,
        3 * 3 * 32 * 64 + 64,
        3 * 3 * 64 * 128 + 128,
        22 * 22 * 128 * 512 + 512,
        512 * 512 + 512,
        512 * 10 + 10,
    ]


def test_search_has_the_parameters_of_the_shape_that_was_chosen(search: keras.Model) -> None:
    def convolution(kernel: int, taken: int, given: int) -> int:
        return kernel * taken * given + 4 * given  # no bias; four numbers a channel in the normalization

    head = 64 * 10 + 10
    cross = 2 * convolution(3, 64, 64)
    plain = convolution(25, 1, 64) + convolution(9, 64, 64) + cross + convolution(3, 64, 64) + head
    assert search.count_params() == plain
    chosen = {"stem": 8, "stem_kernel": 3, "early": 1, "width": 16, "blocks": 2, "block": "square", "tail": False}
    other = search_module.build(classes=10, dropout=0.0, **chosen)  # type: ignore[arg-type]
    early, late = 2 * convolution(9, 8, 8), 4 * convolution(9, 16, 16)
    assert other.count_params() == convolution(9, 1, 8) + early + convolution(9, 8, 16) + late + 16 * 10 + 10
    with pytest.raises(ValueError, match="block must be one of cross, square, not 'round'"):
        search_module.build(classes=10, dropout=0.0, block="round")


def test_compact_stays_under_a_hundred_thousand_parameters(compact: keras.Model) -> None:
    assert 50_000 < compact.count_params() < 100_000


def test_strong_has_the_parameters_of_its_plan(strong: keras.Model) -> None:
    def convolution(kernel: int, taken: int, given: int) -> int:
        return kernel * taken * given + 4 * given  # no bias; four numbers a channel in the normalization

    early = convolution(9, 1, 16) + 4 * convolution(9, 16, 16) + convolution(9, 16, 64)
    squares = 4 * convolution(9, 64, 64)
    late = convolution(4, 64, 96) + 2 * convolution(3, 96, 96)
    head = 49 * 96 + 4 * 96 + 96 * 10 + 10
    assert strong.count_params() == early + squares + late + head == 254_714


@pytest.mark.parametrize("name", architecture_names())
def test_every_architecture_maps_raw_pixels_to_probabilities(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    assert (model.name, model.input_shape, model.output_shape) == (name, (None, 28, 28, 1), (None, 10))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1)).astype(np.float32)
    probabilities = keras.ops.convert_to_numpy(model(pixels))
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", architecture_names())
def test_every_architecture_begins_with_the_scaling_of_raw_pixels(name: str, request: pytest.FixtureRequest) -> None:
    layers = [layer for layer in request.getfixturevalue(name).layers if not isinstance(layer, keras.layers.InputLayer)]
    assert isinstance(layers[0], keras.layers.Rescaling)
    assert (layers[0].scale, layers[0].offset) == (1 / 255, 0.0)


def test_classes_and_dropout_are_taken_from_the_caller() -> None:
    model = load_architecture("compact")(classes=7, dropout=0.4)
    assert model.output_shape == (None, 7)
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.4]


# --- the user's own ---------------------------------------------------------------------------------------------------


OWN = """
import keras


def build(*, classes, dropout):
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(16, 5, strides=4, name="stem")(x)
    x = keras.layers.Dropout(dropout)(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.Dense(classes, activation="softmax")(x), name="mine")
"""


def test_a_file_of_the_users_own_is_an_architecture(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    model = load_architecture(f"{tmp_path}/mine.py:build")(classes=10, dropout=0.1)
    assert (model.name, model.get_layer("stem").filters, model.output_shape) == ("mine", 16, (None, 10))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read .*mine.py; expected a Python file with an architecture; got nothing"),
        ("def build(:", r"cannot import .*mine.py; got SyntaxError: .*; next: mend the file"),
        ("1 / 0", r"cannot import .*mine.py; got ZeroDivisionError: division by zero"),
        ("import nonsuch_module", r"cannot import .*mine.py; got ModuleNotFoundError"),
        ("", r"mine.py has no function build; expected def build\(\*, classes, dropout\)"),
        ("build = 3", r"mine.py has no function build"),
    ],
)
def test_a_file_that_is_no_architecture_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(EdgeError, match=message):
        load_architecture(f"{tmp_path}/mine.py:build")


def test_a_name_too_long_for_a_file_is_no_architecture() -> None:
    name = "a" * 300 + ".py:build"
    assert recipe_path(name) is None
    with pytest.raises(
        EdgeError, match=r"cannot read a+\.py; expected a Python file with an architecture; got nothing"
    ):
        load_architecture(name)


def test_a_folder_is_no_architecture(tmp_path: Path) -> None:
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(EdgeError, match=r"cannot read .*mine.py; .*got a folder"):
        load_architecture(f"{tmp_path}/mine.py:build")
