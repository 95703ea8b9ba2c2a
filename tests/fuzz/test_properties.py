"""Hypothesis on the same readers: inputs that have the right form, and those that have it no more."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fmnist_edge.dataset.idx import parse_idx
from fmnist_edge.runtime import ModelCard

from .containers import CONTAINERS, HOLD_JSON
from .contract import keep_contract
from .seeds import CARD, MAKERS
from .targets import TARGETS
from .trees import ODD, change_json

always_the_same = settings(
    derandomize=True, database=None, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck)
)
"""Seeded by the test itself; what takes too long is told by `keep_contract`."""
SEEDS = {maker.__name__: list(maker().values()) for maker in MAKERS}
sides = st.one_of(st.integers(0, 6), st.sampled_from([255, 2**16, 2**31, 2**32 - 1]))


@given(dimensions=st.lists(sides, max_size=4), kind=st.sampled_from([8, 9, 0x0D, 0]), pixels=st.binary(max_size=300))
@always_the_same
def test_idx(dimensions: list[int], kind: int, pixels: bytes) -> None:
    header = bytes([0, 0, kind, len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions)
    count = int(np.prod(dimensions, dtype=object))
    for data in (header + pixels, header + pixels[:count]):
        accepted = keep_contract(TARGETS["idx"].read, data)
        if kind == 8 and 1 <= len(dimensions) <= 3 and len(data) == len(header) + count and count:
            assert accepted
            assert parse_idx(data, name="it").shape == tuple(dimensions)


@given(name=st.sampled_from(sorted(SEEDS)), seed=st.integers(0, 2**32), edits=st.integers(1, 4))
@settings(always_the_same, max_examples=300)
def test_seeds_with_a_few_bytes_changed(name: str, seed: int, edits: int) -> None:
    random = Random(seed)  # noqa: S311 - not for secrets
    data = random.choice(SEEDS[name])
    unwrap = CONTAINERS.get(name)
    inner, wrap = (unwrap and random.randrange(2) and unwrap(data)) or (data, bytes)
    changed = bytearray(inner)
    for _ in range(edits):
        at = random.randrange(len(changed) + 1)
        changed[at : at + random.choice((0, 1, 1, 1, 8))] = random.choice((b"", b"\0", b"\xff", random.randbytes(1)))
    keep_contract(TARGETS[name].read, wrap(bytes(changed)))


@given(name=st.sampled_from(HOLD_JSON), seed=st.integers(0, 2**32))
@settings(always_the_same, max_examples=500)
def test_json_with_something_odd_in_it(name: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - not for secrets
    found = CONTAINERS[name](random.choice(SEEDS[name]))
    assert found is not None
    inner, wrap = found
    changed = change_json(inner, random)
    assert changed is not None
    keep_contract(TARGETS[name].read, wrap(changed))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(ODD[:21])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(json.loads(CARD.to_json()))), value=json_values)
@settings(always_the_same, max_examples=300)
def test_a_card_with_any_value_in_any_field(field: str, value: Any) -> None:
    text = json.dumps(json.loads(CARD.to_json()) | {field: value})

    def read(data: bytes) -> None:
        card = ModelCard.from_json(data.decode(), source="it")
        assert ModelCard.from_json(card.to_json(), source="it").to_json() == card.to_json()

    keep_contract(read, text.encode())


toml_values = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.sampled_from(["true", "false", "1979-05-27", "[]", '["a.keras"]', "{}", "{ epochs = 1 }", "[[1], 2]"]),
    st.text(max_size=12).map(lambda text: json.dumps(text).replace("\\ud", "\\u0")),
)
toml_keys = st.one_of(
    st.sampled_from([line.split(" ")[0] for line in SEEDS["config"][0].decode().splitlines() if "=" in line]),
    st.sampled_from(["quick.epochs", "quick", "arch", "seed", "a.b", '"a b"', "[quick]\nshift"]),
)


@given(lines=st.lists(st.tuples(toml_keys, toml_values), max_size=4))
@settings(always_the_same, max_examples=200)
def test_config(lines: list[tuple[str, str]]) -> None:
    keep_contract(TARGETS["config"].read, "\n".join(f"{key} = {value}" for key, value in lines).encode())


MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "F"),
    "PPM": ("1", "L", "RGB", "I;16"),
}


@given(
    kind=st.sampled_from([(form, mode) for form, modes in MODES.items() for mode in modes]),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    orientation=st.integers(0, 9),
    seed=st.integers(0, 2**32),
    cut=st.one_of(st.just(0), st.integers(1, 60)),
)
@settings(always_the_same, max_examples=150)
def test_pictures_of_every_kind(
    kind: tuple[str, str], size: tuple[int, int], orientation: int, seed: int, cut: int
) -> None:
    form, mode = kind
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = _as_mode(Image.fromarray(noise), mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, form, **({"exif": exif} if form in {"PNG", "JPEG", "WEBP", "TIFF"} else {}))
    data = file.getvalue()
    accepted = keep_contract(TARGETS["picture"].read, data[: len(data) - cut])
    if not cut:
        assert accepted == (min(size) >= 8)


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", image.size, image.tobytes())
    return image.convert(mode)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_the_seeds_in_the_repository_are_those_that_are_made(maker: Callable[[], dict[str, bytes]]) -> None:
    from . import targets

    folder = targets.SEEDS / maker.__name__
    assert {path.name for path in folder.iterdir()} == {f"{name}{MAKERS[maker]}" for name in maker()}
