"""The ModelCard: it survives the journey, and a damaged one is refused in words."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import LABELS
from fmnist_edge.runtime import ModelCard, open_runner
from fmnist_edge.runtime.card import (
    MAX_CARD_BYTES,
    MAX_FIELDS,
    ONNX_KEY,
    TFLITE_MEMBER,
    NoCardError,
    read_onnx_card,
    read_onnx_file_card,
    read_tflite_card,
)


def changed(card: ModelCard, **fields: Any) -> str:
    """Return the card's JSON with some fields changed."""
    return json.dumps(json.loads(card.to_json()) | fields)


def put_card(path: Path, text: str | bytes, *, graph: bytes = b"graph", method: int = zipfile.ZIP_STORED) -> Path:
    """Write a file with a zip archive behind `graph`, as the exporter does."""
    path.write_bytes(graph)
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr(TFLITE_MEMBER, text)
    return path


def test_a_card_comes_back_from_its_json_as_it_was(card: ModelCard) -> None:
    text = card.to_json()
    assert "\n" not in text
    assert ModelCard.from_json(text, source="it") == card
    assert ModelCard.from_json(text, source="it").to_json() == text
    uncalibrated = dataclasses.replace(card, calibration=None, training=None, labels=("Größe",))
    assert "Größe" in uncalibrated.to_json()
    assert ModelCard.from_json(uncalibrated.to_json(), source="it") == uncalibrated


def test_a_field_that_a_later_release_adds_does_no_harm(card: ModelCard) -> None:
    assert ModelCard.from_json(changed(card, mood="sunny"), source="it") == card


def test_a_card_from_before_there_was_a_confidence_is_read(card: ModelCard) -> None:
    old = json.loads(card.to_json())
    del old["confidence"]
    assert ModelCard.from_json(json.dumps(old), source="it") == card
    fitted = dataclasses.replace(card, confidence={"temperature": 1.5})
    assert ModelCard.from_json(fitted.to_json(), source="it") == fitted


def test_a_card_comes_back_from_either_kind_of_file(tmp_path: Path, card: ModelCard) -> None:
    assert read_onnx_card({"other": "entry", ONNX_KEY: card.to_json()}, source="it") == card
    assert read_tflite_card(put_card(tmp_path / "a.tflite", card.to_json())) == card


def test_a_card_of_an_earlier_release_has_no_quantization_errors(card: ModelCard) -> None:
    fields = json.loads(card.to_json())
    del fields["sqnr_db"]
    assert ModelCard.from_json(json.dumps(fields), source="it") == card
    measured = dataclasses.replace(card, sqnr_db={"conv2": 31.2, "conv1": 40})
    assert ModelCard.from_json(measured.to_json(), source="it") == measured


def test_other_tools_read_the_card_of_an_exported_file(int8_onnx: Path, int8_tflite: Path) -> None:
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load(int8_onnx).metadata_props}
    assert json.loads(properties["fmnist_edge.model_card"])["recipe"] == "int8"
    with zipfile.ZipFile(int8_tflite) as archive:
        assert sorted(archive.namelist()) == ["fmnist_edge_model_card.json", "labels.txt"]
        assert json.loads(archive.read("fmnist_edge_model_card.json"))["recipe"] == "int8"
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)


def test_exported_files_say_what_they_are(int8_onnx: Path, int8_tflite: Path) -> None:
    for path in (int8_onnx, int8_tflite):
        with open_runner(path) as runner:
            found = runner.card
        assert (found.name, found.arch, found.recipe, found.labels) == (path.stem, "compact", "int8", LABELS)
        assert found.calibration is not None
        assert found.calibration["split"] == "train"
        content = path.read_bytes()
        assert sha256_hex(content[: found.graph_bytes]) == found.graph_sha256


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (lambda card: "", "it has a damaged ModelCard; expected JSON; got Expecting value.*; next: export the model"),
        (lambda card: card.to_json()[:-1], "it has a damaged ModelCard; expected JSON; got Expecting"),
        (lambda card: "[" * 100_000, "it has a damaged ModelCard; expected JSON; got maximum recursion depth"),
        (lambda card: "[1]", "it has a damaged ModelCard; expected a JSON object; next: export the model again"),
        (
            lambda card: changed(card, card_version=3),
            "cannot read the ModelCard of it; expected card version 2; got 3; next: update fmnist-edge",
        ),
        (lambda card: "{}", "cannot read the ModelCard of it; expected card version 2; got None"),
        (lambda card: '{"card_version": 1}', "damaged ModelCard; expected all fields; got no name, arch, .*graph_sha"),
        (lambda card: card.to_json().replace('"arch"', '"Arch"'), "expected all fields; got no arch; next: export"),
        (lambda card: changed(card, labels="abc"), "expected all fields; got labels that are no list of names"),
        (lambda card: changed(card, labels=["a", 1]), "expected all fields; got labels that are no list of names"),
        (lambda card: changed(card, labels=None), "expected all fields; got labels that are no list of names"),
        (lambda card: changed(card, sqnr_db=[1.0]), "expected all fields; got sqnr_db that is no map of numbers"),
        (lambda card: changed(card, sqnr_db={"a": "1"}), "expected all fields; got sqnr_db that is no map of numbers"),
        (lambda card: changed(card, sqnr_db={"a": True}), "expected all fields; got sqnr_db that is no map of numbers"),
    ],
)
def test_a_damaged_card_is_refused(card: ModelCard, text: Callable[[ModelCard], str], match: str) -> None:
    with pytest.raises(EdgeError, match=match):
        ModelCard.from_json(text(card), source="it")


def test_onnx_metadata_without_a_card_is_refused() -> None:
    match = "it has no ModelCard; got a file that is truncated or was not exported .*; next: export it: fmnist-edge"
    with pytest.raises(EdgeError, match=match):
        read_onnx_card({"other": "entry"}, source="it")


def test_a_card_of_just_the_bound_is_read(tmp_path: Path, card: ModelCard) -> None:
    text = card.to_json()
    assert read_tflite_card(put_card(tmp_path / "a.tflite", text + " " * (MAX_CARD_BYTES - len(text)))) == card


def test_a_card_of_more_than_the_bound_is_refused_unread(tmp_path: Path) -> None:
    path = put_card(tmp_path / "a.tflite", " " * (MAX_CARD_BYTES + 1), method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    with pytest.raises(EdgeError, match=r"has an unusable ModelCard; expected at most 1,048,576 bytes; got 1,048,577"):
        read_tflite_card(path)


def zip_without_card(path: Path, card: ModelCard) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.txt", "\n".join(card.labels))


def compressed_and_damaged(path: Path, card: ModelCard) -> None:
    put_card(path, card.to_json(), method=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x03\x04") + 30 + len(TFLITE_MEMBER)
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)


def encrypted(path: Path, card: ModelCard) -> None:
    put_card(path, card.to_json())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)


def changed_inside(path: Path, card: ModelCard) -> None:
    put_card(path, card.to_json())
    path.write_bytes(path.read_bytes().replace(b'"tiny"', b'"tidy"'))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, card: path.write_bytes(b"TFL3"),
        lambda path, card: put_card(path, b"\xff"),
        zip_without_card,
        compressed_and_damaged,
        encrypted,
        changed_inside,
    ],
    ids=["no zip", "no utf-8", "no card in the zip", "broken deflate", "encrypted", "wrong checksum"],
)
def test_a_tflite_file_without_a_readable_card_is_refused(
    tmp_path: Path, card: ModelCard, damage: Callable[[Path, ModelCard], object]
) -> None:
    path = tmp_path / "a.tflite"
    damage(path, card)
    with pytest.raises(EdgeError, match=r"a\.tflite has no ModelCard; got a file that is truncated .*; next: "):
        read_tflite_card(path)


# --- an ONNX file's card without onnxruntime -----------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_an_onnx_file_gives_its_card_without_onnxruntime(exports: Path, recipe: str) -> None:
    path = exports / f"fmnist-compact-{recipe}.onnx"
    with open_runner(path) as runner:
        assert read_onnx_file_card(path) == runner.card


def test_an_onnx_file_without_a_card_or_with_a_damaged_one(make_onnx: Callable[..., Path]) -> None:
    with pytest.raises(NoCardError, match=r"tiny\.onnx has no ModelCard"):
        read_onnx_file_card(make_onnx(text=None))
    with pytest.raises(EdgeError, match=r"tiny\.onnx has a damaged ModelCard"):
        read_onnx_file_card(make_onnx(text="{"))
    with pytest.raises(NoCardError, match=r"tiny\.onnx has no ModelCard"):
        read_onnx_file_card(make_onnx(text=b"\xff\xfe"))
    with pytest.raises(NoCardError, match=r"tiny\.onnx has no ModelCard"):
        read_onnx_file_card(make_onnx(text="x" * (MAX_CARD_BYTES + 1)))


def test_an_onnx_file_that_is_cut_anywhere_has_no_card(make_onnx: Callable[..., Path]) -> None:
    path = make_onnx(sealed=False)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(NoCardError):
            read_onnx_file_card(path)


@pytest.mark.parametrize("content", [b"This is text.", b"\xff" * 20, b"\x0b", b"\x09\0\0", b"\x0d\0\0", b"\x80" * 11])
def test_what_is_no_message_has_no_card(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(NoCardError, match=r"a\.onnx has no ModelCard"):
        read_onnx_file_card(path)


def test_fields_of_a_fixed_size_are_passed_over(make_onnx: Callable[..., Path], card: ModelCard) -> None:
    path = make_onnx(text=card.to_json())
    path.write_bytes(b"\x09" + b"\xff" * 8 + b"\x0d" + b"\xff" * 4 + path.read_bytes())
    assert read_onnx_file_card(path) == card


def test_an_onnx_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*absent\.onnx; expected a model file; got No such file"):
        read_onnx_file_card(tmp_path / "absent.onnx")


# --- forged on purpose -----------------------------------------------------------------------------------------------


def deep(levels: int) -> object:
    value: object = "end"
    for _ in range(levels):
        value = [value]
    return value


WRONG: list[tuple[str, object, str]] = [
    ("name", 1, "name that is no text"),
    ("arch", None, "arch that is no text"),
    ("recipe", ["int8"], "recipe that is no text"),
    ("labels", [], "labels that are no list of names"),
    ("labels", ["a"] * 1_001, "labels that are no list of names"),
    ("input", [], "input that is no map"),
    ("output", "n", "output that is no map"),
    ("calibration", [1], "calibration that is no map with a list of indices"),
    ("calibration", {"indices": 5}, "calibration that is no map with a list of indices"),
    ("training", 0.5, "training that is no map of options, versions and an accuracy"),
    ("training", {"options": [1]}, "training that is no map of options, versions and an accuracy"),
    ("training", {"versions": "1"}, "training that is no map of options, versions and an accuracy"),
    ("training", {"validation_accuracy": "high"}, "training that is no map of options, versions and an accuracy"),
    ("versions", {"onnx": 1}, "versions that is no map of texts"),
    ("versions", None, "versions that is no map of texts"),
    ("graph_bytes", "5", "graph_bytes that is no size"),
    ("graph_bytes", -1, "graph_bytes that is no size"),
    ("graph_bytes", 5.0, "graph_bytes that is no size"),
    ("graph_bytes", True, "graph_bytes that is no size"),
    ("graph_bytes", 1 << 64, "graph_bytes that is no size"),
    ("graph_sha256", 7, "graph_sha256 that is no text"),
    ("sqnr_db", {"a": 10**400}, "sqnr_db that is no map of numbers"),
    ("sqnr_db", {"a": float("nan")}, "sqnr_db that is no map of numbers"),
    ("confidence", 3, "confidence that is no map"),
    ("mood", deep(20), "more than 16 maps within each other"),
    ("arch", "x" * 10_001, "a text of 10,001 characters"),
    ("labels", ["\x1b[2J"], "a control character in a text"),
    ("labels", ["\ud800"], "a control character in a text"),
    ("labels", ["tuo-kool-\u202e"], "a control character in a text"),
    ("versions", {"a\nb": "1"}, "a control character in a text"),
]


@pytest.mark.parametrize(("field", "value", "got"), WRONG)
def test_a_field_of_another_kind_is_one_clear_line(card: ModelCard, field: str, value: object, got: str) -> None:
    match = f"it has a damaged ModelCard; expected all fields; got {got}; next: export the model again"
    with pytest.raises(EdgeError, match=match):
        ModelCard.from_json(changed(card, **{field: value}), source="it")


@pytest.mark.parametrize("version", [True, 2.0, "2", None, [2], {}, 10**400])
def test_a_version_of_another_kind_is_one_clear_line(card: ModelCard, version: object) -> None:
    with pytest.raises(EdgeError, match=r"cannot read the ModelCard of it; expected card version 2; got .{1,40}; next"):
        ModelCard.from_json(changed(card, card_version=version), source="it")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ModelCard)])
@pytest.mark.parametrize("value", [None, True, -1, 1e999, "", [], {}, [[]], {"a": [None]}], ids=repr)
def test_whatever_stands_in_a_field_it_is_read_or_refused_and_shown(
    card: ModelCard, field: str, value: object, make_onnx: Callable[..., Path]
) -> None:
    from fmnist_edge.export.inspection import inspect
    from fmnist_edge.export.inspection_tables import description, summary
    from fmnist_edge.runtime.confidence import Confidence

    text = changed(card, **{field: value})
    try:
        read = ModelCard.from_json(text, source="it")
        Confidence.of_card(read, source="it")
    except EdgeError:
        return
    inspection = inspect(make_onnx(text=read.to_json()))
    assert summary(inspection)
    assert description(inspection)
    json.dumps(inspection.as_json())


def archive_of(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    path.write_bytes(b"graph")
    with zipfile.ZipFile(path, "a", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that comes twice
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([("../../etc/cron.d/x", b"")], r"expected plain names of files; got '\.\./\.\./etc/cron\.d/x'; next: export"),
        ([("/etc/passwd", b"")], "expected plain names of files; got '/etc/passwd'"),
        ([("a b", b"")], "expected plain names of files; got 'a b'"),
        ([("x" * 200, b"")], "expected plain names of files; got 'xxx"),
        ([(TFLITE_MEMBER, b"{}")], "expected every name once; got one twice"),
        ([(f"f{number}", b"") for number in range(16)], "expected at most 16 files behind it; got 17"),
        ([("labels.txt", b" " * (MAX_CARD_BYTES + 1))], "expected at most 1,048,576 bytes; got 1,048,577"),
    ],
)
def test_other_members_of_the_archive_are_bounded_before_one_is_read(
    members: list[tuple[str, bytes]], match: str, card: ModelCard, tmp_path: Path
) -> None:
    path = archive_of(tmp_path / "a.tflite", [(TFLITE_MEMBER, card.to_json().encode()), *members])
    with pytest.raises(EdgeError, match=rf"a\.tflite has an unusable ModelCard; {match}"):
        read_tflite_card(path)


def test_ten_thousand_members_are_not_walked_through(card: ModelCard, tmp_path: Path) -> None:
    names = [(f"f{number}", b"") for number in range(10_000)]
    with pytest.raises(EdgeError, match="expected at most 16 files behind it; got 10001"):
        read_tflite_card(archive_of(tmp_path / "a.tflite", [(TFLITE_MEMBER, card.to_json().encode()), *names]))


def test_a_member_that_says_it_is_small_and_is_not_is_no_card(tmp_path: Path, card: ModelCard) -> None:
    path = archive_of(tmp_path / "a.tflite", [(TFLITE_MEMBER, bytes(400 << 20))], zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    path.write_bytes(content.replace((400 << 20).to_bytes(4, "little"), (1_000).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(NoCardError):
        read_tflite_card(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_without_a_bound_is_no_card(method: int, tmp_path: Path, card: ModelCard) -> None:
    with pytest.raises(NoCardError):
        read_tflite_card(archive_of(tmp_path / "a.tflite", [(TFLITE_MEMBER, card.to_json().encode())], method))


def test_metadata_with_many_entries_or_two_cards_is_refused(make_onnx: Callable[..., Path], card: ModelCard) -> None:
    from onnx import ModelProto

    for keys in ([ONNX_KEY], [f"k{number}" for number in range(16)]):
        path, more = make_onnx(sealed=False), ModelProto()
        for key in keys:
            more.metadata_props.add(key=key, value=card.to_json())
        path.write_bytes(path.read_bytes() + more.SerializeToString())
        match = r"tiny\.onnx has an unusable ModelCard; expected at most 16 entries, one of them a ModelCard; got more"
        with pytest.raises(EdgeError, match=match):
            read_onnx_file_card(path)


TINY_FIELD = b"\x0a\x00"


@pytest.mark.parametrize("entries", [0, 1], ids=["in the file", "in an entry"])
def test_a_file_of_millions_of_tiny_fields_is_not_walked_through(
    make_onnx: Callable[..., Path], entries: int, tmp_path: Path
) -> None:
    def with_fields(count: int) -> Path:
        fields = TINY_FIELD * count
        entry = b"\x72" + bytes([len(fields) & 0x7F | 0x80, len(fields) >> 7 & 0x7F | 0x80, len(fields) >> 14]) + fields
        path = tmp_path / "a.onnx"
        path.write_bytes((entry if entries else fields) + good)
        return path

    good = make_onnx().read_bytes()
    most = MAX_FIELDS if entries else MAX_FIELDS - 20  # the model's own are among them
    assert read_onnx_file_card(with_fields(most)).labels == LABELS
    with pytest.raises(
        EdgeError, match=r"unusable ModelCard; expected at most 10,000 fields; got more; next: export the"
    ):
        read_onnx_file_card(with_fields(MAX_FIELDS + 1))
