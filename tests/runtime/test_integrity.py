"""A model file that was changed anywhere in its graph is refused, in one line."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.runtime import ModelCard, open_runner
from fmnist_edge.runtime.integrity import new_sha256, require_intact

FLIPS = 40


def test_the_file_that_was_exported_is_intact(exports: Path) -> None:
    for path in sorted(exports.iterdir()):
        with open_runner(path) as runner:
            require_intact(path, runner.card)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_flipped_bit_of_the_graph_never_loads(kind: str, exports: Path, tmp_path: Path) -> None:
    good = (exports / f"fmnist-compact-int8.{kind}").read_bytes()
    with open_runner(exports / f"fmnist-compact-int8.{kind}") as runner:
        graph_bytes = runner.card.graph_bytes
    path = tmp_path / f"flipped.{kind}"
    random = np.random.default_rng(0)
    refusals = []
    for position in random.integers(graph_bytes // 4, graph_bytes, FLIPS):
        flipped = bytearray(good)
        flipped[position] ^= 1 << random.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(EdgeError) as refused:
            open_runner(path)
        refusals.append(str(refused.value))
    assert sum("was changed or damaged" in refusal for refusal in refusals) > FLIPS // 2  # the rest did not even parse


@pytest.mark.parametrize(
    ("content", "graph_bytes"),
    [(b"graph", 6), (b"grapH", 5), (b"", 5), (b"graph", 4)],
    ids=["shorter than the card says", "changed", "empty", "another length"],
)
def test_what_does_not_match_the_card_is_refused(
    content: bytes, graph_bytes: int, card: ModelCard, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    stated = dataclasses.replace(card, graph_bytes=graph_bytes, graph_sha256=sha256_hex(b"graph"))
    with pytest.raises(EdgeError, match=r"model\.onnx was changed or damaged; expected SHA-256 .*next: export or copy"):
        require_intact(path, stated)


def test_what_stands_behind_the_graph_is_not_its_business(card: ModelCard, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"graph and a card")
    require_intact(path, dataclasses.replace(card, graph_bytes=5, graph_sha256=sha256_hex(b"graph")))


@pytest.mark.parametrize("size_bytes", [0, 4 << 20, (4 << 20) + 1])
def test_small_and_large_files_are_hashed_alike(size_bytes: int) -> None:
    digest = new_sha256(size_bytes)
    digest.update(b"abc")  # FIPS 180-2, appendix B.1
    assert digest.hexdigest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_without_the_interpreters_own_hash_hashlibs_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_sha2", "_sha256"):
        monkeypatch.setitem(sys.modules, name, None)
    assert new_sha256(0).hexdigest() == sha256_hex(b"")
