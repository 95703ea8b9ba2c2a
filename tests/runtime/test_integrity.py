"""A model file that was changed anywhere, or cut, is refused in one line, before any runtime sees it.

``make forgeries`` tries 10,000 flipped bits and 1,000 cuts of either format; a plain run tries a sample of both.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.export.onnx_file import append_card as append_onnx_card
from fmnist_edge.export.tflite_file import append_card as append_tflite_card
from fmnist_edge.runtime import Classifier, ModelCard, open_runner
from fmnist_edge.runtime import runner as runners
from fmnist_edge.runtime.card import CARD_VERSION, NoCardError, read_card
from fmnist_edge.runtime.integrity import SEAL_BYTES, UNSEALED, digests_of, new_sha256, require_intact, seal
from fmnist_edge.runtime.trust import Trust

FLIPS = int(os.environ.get("FMNIST_EDGE_FLIPS", "300"))
CUTS = int(os.environ.get("FMNIST_EDGE_CUTS", "60"))
REFUSED = (
    r"(was changed or damaged|has no ModelCard|has a damaged ModelCard|has an unusable ModelCard|cannot read the Mod)"
)


@pytest.fixture(params=["onnx", "tflite"])
def good(request: pytest.FixtureRequest, exports: Path) -> Path:
    return exports / f"fmnist-compact-int8.{request.param}"


def refusal_of(path: Path) -> str:
    """Try to open a file as a maker would, which must fail, and return in which words."""
    with pytest.raises(EdgeError, match=REFUSED) as refused:
        Classifier(path, backend="onnxruntime" if path.suffix == ".onnx" else "litert")
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test fail where a file reaches a runtime."""

    def reached(path: Path, *_: object) -> None:
        pytest.fail(f"{path} reached the runtime")

    monkeypatch.setattr(runners, "open_session", reached)
    monkeypatch.setattr(runners, "open_interpreter", reached)


def test_the_file_that_was_exported_is_intact(exports: Path) -> None:
    for path in sorted(exports.glob("*.[ot][nf]*")):
        require_intact(path, read_card(path))
        content = path.read_bytes()
        assert hashlib.sha256(content[:-64]).hexdigest().encode() == content[-64:]


@pytest.mark.usefixtures("no_runtime")
def test_a_flipped_bit_anywhere_never_loads(good: Path, tmp_path: Path) -> None:
    content, path = good.read_bytes(), tmp_path / good.name
    random = np.random.default_rng(0)
    graph_bytes = read_card(good).graph_bytes
    behind = random.integers(graph_bytes, len(content), FLIPS // 3)  # card, zip and digest are but a tenth of the file
    refusals: Counter[str] = Counter()
    for position in np.concatenate([random.integers(0, len(content), FLIPS - len(behind)), behind]):
        flipped = bytearray(content)
        flipped[position] ^= 1 << random.integers(8)
        path.write_bytes(flipped)
        refusals["changed or damaged" in refusal_of(path)] += 1
    assert refusals[True] > FLIPS * 0.9  # the others have no card that can be read, and say so


@pytest.mark.usefixtures("no_runtime")
def test_every_bit_behind_the_graph_counts(good: Path, tmp_path: Path) -> None:
    content, path = good.read_bytes(), tmp_path / good.name
    end = len(content)
    for position in [*range(end - SEAL_BYTES - 120, end), *range(read_card(good).graph_bytes, end, 97)]:
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x20]) + content[position + 1 :])
        refusal_of(path)


@pytest.mark.usefixtures("no_runtime")
def test_a_cut_file_never_loads(good: Path, tmp_path: Path) -> None:
    content, path = good.read_bytes(), tmp_path / good.name
    random = np.random.default_rng(1)
    ends = random.integers(1, len(content), CUTS - 6).tolist()
    for end in [*ends, 1, 63, 64, 65, len(content) - 64, len(content) - 1]:
        path.write_bytes(content[:end])
        refusal_of(path)


@pytest.mark.usefixtures("no_runtime")
@pytest.mark.parametrize("added", [b"\0", b"\n", b"x" * 64, b"0" * 64])
def test_a_longer_file_never_loads(good: Path, tmp_path: Path, added: bytes) -> None:
    path = tmp_path / good.name
    path.write_bytes(good.read_bytes() + added)
    refusal_of(path)


FORGERIES: dict[str, tuple[bytes, bytes]] = {
    "two labels changed places": (b'"Trouser","Pullover"', b'"Pullover","Trouser"'),
    "another threshold": (b'"threshold":0.', b'"threshold":1.'),
    "another recipe": (b'"recipe":"int8"', b'"recipe":"int4"'),
}


@pytest.mark.usefixtures("no_runtime")
@pytest.mark.parametrize("name", FORGERIES)
def test_a_changed_card_of_the_same_length_never_loads(good: Path, tmp_path: Path, name: str) -> None:
    before, after = FORGERIES[name]
    content, path = good.read_bytes(), tmp_path / good.name
    assert before in content
    path.write_bytes(content.replace(before, after))
    refusal_of(path)


def test_the_line_says_what_was_expected_and_what_to_do(good: Path, tmp_path: Path) -> None:
    content, path = bytearray(good.read_bytes()), tmp_path / good.name
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    body = sha256_hex(bytes(content[:-64]))
    expected = f"{path} was changed or damaged; expected SHA-256 {content[-64:-48].decode()}…; got {body[:16]}…; "
    assert refusal_of(path) == f"{expected}next: export or copy it again"


def sealed(card: ModelCard, content: bytes = b"graph" + UNSEALED, **fields: object) -> tuple[bytes, ModelCard]:
    """Return a sealed file of a small graph, and its card."""
    known: dict[str, object] = {"graph_bytes": 5, "graph_sha256": sha256_hex(b"graph")}
    return seal(content), dataclasses.replace(card, **(known | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        ({"graph_bytes": 6}, "a shorter file"),
        ({"graph_bytes": 4}, "[0-9a-f]{16}…"),
        ({"graph_bytes": 1 << 60}, "a shorter file"),
        ({"graph_sha256": "cd" * 32}, "[0-9a-f]{16}…"),
        ({"graph_sha256": ""}, "[0-9a-f]{16}…"),
    ],
)
def test_what_does_not_match_the_card_is_refused(
    fields: dict[str, object], got: str, card: ModelCard, tmp_path: Path
) -> None:
    content, stated = sealed(card, **fields)
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    match = rf"model\.onnx was changed or damaged; expected SHA-256 .*; got {got}; next: export or copy it again"
    with pytest.raises(EdgeError, match=match):
        require_intact(path, stated)
    require_intact(path, sealed(card)[1])


def test_a_file_without_a_digest_is_refused(card: ModelCard, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"graph and a card" + b"G" * 64)
    match = r"was changed or damaged; expected its own SHA-256 at its end; got something else; next: export or copy"
    with pytest.raises(EdgeError, match=match):
        require_intact(path, sealed(card)[1])


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*absent\.onnx; expected a model file; got No such file"):
        digests_of(tmp_path / "absent.onnx")


def test_only_a_file_with_a_place_for_it_is_sealed() -> None:
    with pytest.raises(ValueError, match="no place for the seal at the end of the file"):
        seal(b"graph")


def old_release(path: Path, good: Path) -> Path:
    """Write a file as the first release did: with a card of version 1, and no digest at its end."""
    card = read_card(good)
    append = append_onnx_card if good.suffix == ".onnx" else append_tflite_card
    content = append(good.read_bytes()[: card.graph_bytes], dataclasses.replace(card, card_version=1))
    path.write_bytes(content[:-64] + b" " * 64)
    return path


def test_a_file_of_an_earlier_release_tells_how_to_export_it_again(good: Path, tmp_path: Path) -> None:
    path = old_release(tmp_path / good.name, good)
    match = (
        r"was exported by an earlier release; expected a digest of the whole file; got one of its graph alone; "
        r"next: export it again: fmnist-edge export --force, or take it as it is: --allow-unverified"
    )
    with pytest.raises(EdgeError, match=match):
        open_runner(path)
    with open_runner(path, trust=Trust(verify=False)) as runner:
        assert runner.card is not None
        assert (runner.card.card_version, runner.labels) == (1, read_card(good).labels)
    content = bytearray(path.read_bytes())
    content[40_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(EdgeError, match="was changed or damaged"):
        open_runner(path)


# --- switched off ----------------------------------------------------------------------------------------------------


def test_without_verifying_a_changed_weight_goes_unnoticed(int8_onnx: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(int8_onnx, tmp_path / "model.onnx"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(EdgeError, match="was changed or damaged"):
        Classifier(path)
    with Classifier(path, verify=False) as classifier:
        assert len(classifier.predict(np.zeros((28, 28), np.uint8)).probabilities) == 10


def test_a_file_of_another_tool_is_run_when_it_may_be(make_onnx: Callable[..., Path]) -> None:
    path = make_onnx(text=None, sealed=False)
    with pytest.raises(NoCardError, match=r"next: export it: fmnist-edge export, or take it as it is: --allow-unver"):
        Classifier(path)
    with Classifier(path, verify=False) as classifier:
        assert classifier.labels == tuple(f"class {index}" for index in range(10))
        assert classifier.predict(np.full((28, 28), 9, np.uint8)).label == "class 0"


def test_a_card_that_cannot_be_read_is_refused_all_the_same(make_onnx: Callable[..., Path]) -> None:
    with pytest.raises(EdgeError, match="has a damaged ModelCard"):
        Classifier(make_onnx(text="{"), verify=False)


def test_a_file_that_is_replaced_while_it_is_loaded_is_refused(
    int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(int8_onnx, tmp_path / "model.onnx"))
    load = runners.open_session

    def replaced(file: Path, *rest: object) -> object:
        shutil.copy(int8_onnx, tmp_path / "new.onnx")
        (tmp_path / "new.onnx").replace(file)
        return load(file, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(runners, "open_session", replaced)
    with pytest.raises(EdgeError, match=r"model\.onnx was changed while it was loaded; next: try again when nobody"):
        Classifier(path)


def test_cards_are_of_the_version_that_has_a_digest(good: Path) -> None:
    assert read_card(good).card_version == CARD_VERSION == 2


@pytest.mark.parametrize("size_bytes", [0, 4 << 20, (4 << 20) + 1])
def test_small_and_large_files_are_hashed_alike(size_bytes: int) -> None:
    digest = new_sha256(size_bytes)
    digest.update(b"abc")  # FIPS 180-2, appendix B.1
    assert digest.hexdigest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_large_file_is_read_in_pieces_to_the_same_digests(tmp_path: Path) -> None:
    content = seal(np.random.default_rng(0).bytes(5_000_000) + UNSEALED)
    (tmp_path / "large").write_bytes(content)
    found = digests_of(tmp_path / "large", 3_000_001)
    assert found.graph == sha256_hex(content[:3_000_001])
    assert found.body == found.seal == sha256_hex(content[:-64])
    assert found.whole == sha256_hex(content)


def test_without_the_interpreters_own_hash_hashlibs_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_sha2", "_sha256"):
        monkeypatch.setitem(sys.modules, name, None)
    assert new_sha256(0).hexdigest() == sha256_hex(b"")
