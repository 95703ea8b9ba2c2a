"""The ModelCard: what an exported file says about itself, and how it is carried in either format.

In ONNX it is one entry of ``metadata_props``; in TFLite it is one member of the zip archive appended to the flatbuffer,
the place where TFLite Metadata keeps its associated files (https://ai.google.dev/edge/litert/models/metadata). In both
the card stands behind the graph, so that a truncated file has none.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..common.errors import EdgeError, one_line
from .card_fields import fault_of

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

CARD_VERSION = 2
"""Since 2, a file ends in a digest of itself (`integrity.seal`)."""
READABLE_VERSIONS = (1, CARD_VERSION)
ONNX_KEY = "fmnist_edge.model_card"
TFLITE_MEMBER = "fmnist_edge_model_card.json"
LABELS_MEMBER = "labels.txt"
MAX_CARD_BYTES = 1 << 20
"""A card is a few kilobytes; more is refused before it is decompressed."""
MAX_ARCHIVE_BYTES = 2 * MAX_CARD_BYTES
"""So much of a TFLite file's end is looked at for the zip archive, and no more."""
MAX_MEMBERS = 16
"""Members of that archive, and entries of an ONNX file's metadata; ours have two."""
MAX_FIELDS = 10_000
"""Fields of an ONNX file's outermost message, and of an entry of its metadata; ours have a dozen."""
_COMPRESSIONS = (0, 8)
"""Stored and deflated (PKWARE, APPNOTE 4.4.5): zipfile bounds what it decompresses of no other."""
_MEMBER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class _TooManyFieldsError(ValueError):
    """A message has more fields than anyone will wait for."""


class NoCardError(EdgeError):
    """A file carries no ModelCard, or one that cannot be found in what is left of it."""


@dataclass(frozen=True)
class ModelCard:
    """What an exported file says about itself.

    Attributes:
        card_version: version of this layout.
        name: file name without suffix, such as ``fmnist-seed-int8``.
        arch: architecture.
        recipe: how it was quantized: ``float32``, ``float16``, ``dynamic`` or ``int8``.
        labels: class names; the index is the class.
        input: the input contract: name, dtype, shape and meaning.
        output: the output contract, likewise.
        calibration: what the activation ranges come from: split, indices and dataset hash; None where none was needed.
        training: options of the training run, and the validation accuracy of the float model; None where unknown.
        versions: of the packages that made the file.
        graph_bytes: length of the graph, in bytes from the beginning of the file.
        graph_sha256: SHA-256 of those bytes.
        sqnr_db: of an int8 file, signal to quantization noise of the layers by their names in the graph, in decibels,
            worst first; None where it was not measured, as in the cards of earlier releases.
        confidence: temperature, threshold and what they were fitted on (`Confidence`); None in files made before it.
    """

    card_version: int
    name: str
    arch: str
    recipe: str
    labels: tuple[str, ...]
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    calibration: Mapping[str, Any] | None
    training: Mapping[str, Any] | None
    versions: Mapping[str, str]
    graph_bytes: int
    graph_sha256: str
    sqnr_db: Mapping[str, float] | None = None
    confidence: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return the card as one line of JSON, keys in a fixed order."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, *, source: str) -> ModelCard:
        """Read a card.

        Args:
            text: what `to_json` wrote.
            source: the file's name, for errors.

        Raises:
            EdgeError: not a card, a card of a newer version, or one with missing or wrong fields.
        """
        hint = "export the model again"
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EdgeError(f"{source} has a damaged ModelCard", expected="JSON", got=str(error), hint=hint) from error
        if not isinstance(content, dict):
            raise EdgeError(f"{source} has a damaged ModelCard", expected="a JSON object", hint=hint)
        version = content.get("card_version")
        if type(version) is not int or version not in READABLE_VERSIONS:
            expected, got = f"card version {CARD_VERSION}", one_line(repr(version), limit=40)
            raise EdgeError(
                f"cannot read the ModelCard of {source}", expected=expected, got=got, hint="update fmnist-edge"
            )
        fault = fault_of(content, [field.name for field in fields(cls) if field.default is MISSING])
        if fault:
            raise EdgeError(f"{source} has a damaged ModelCard", expected="all fields", got=fault, hint=hint)
        values = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        return cls(**(values | {"labels": tuple(content["labels"])}))


def read_onnx_card(metadata: Mapping[str, str], *, source: str) -> ModelCard:
    """Read the card from the metadata map of an ONNX session.

    Raises:
        NoCardError: there is none.
        EdgeError: it is damaged.
    """
    if ONNX_KEY not in metadata:
        raise _no_card(source)
    return ModelCard.from_json(metadata[ONNX_KEY], source=source)


def read_onnx_file_card(path: Path) -> ModelCard:
    """Read the card of an ONNX file without onnxruntime, from the fields of its Protocol Buffers message.

    Raises:
        NoCardError: there is none, or the file is no such message.
        EdgeError: it is damaged, or the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            found = itertools.islice(_fields(stream, _METADATA_PROPS), MAX_MEMBERS + 1)
            entries = [dict(_text_fields(io.BytesIO(entry))) for entry in found]
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a model file", got=error.strerror or str(error)) from error
    except _TooManyFieldsError as error:
        raise _unusable(path, f"at most {MAX_FIELDS:,} fields", "more") from error
    except ValueError as error:
        raise _no_card(str(path)) from error
    keys = [entry.get(1, "") for entry in entries]
    if len(entries) > MAX_MEMBERS or keys.count(ONNX_KEY) > 1:
        raise _unusable(path, f"at most {MAX_MEMBERS} entries, one of them a ModelCard", "more")
    return read_onnx_card({entry.get(1, ""): entry.get(2, "") for entry in entries}, source=str(path))


_METADATA_PROPS = 14
"""Number of the field in ``ModelProto`` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); its entries are
``StringStringEntryProto``, 1 the key and 2 the value."""


def _fields(stream: BinaryIO, wanted: int) -> Iterator[bytes]:
    """Yield the bytes of every field `wanted` of a message (https://protobuf.dev/programming-guides/encoding/).

    Raises:
        ValueError: it is no message, or ends too early.
        _TooManyFieldsError: it has more than `MAX_FIELDS`.
    """
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    for count in itertools.count():
        if (at := stream.tell()) >= end:
            return
        if count == MAX_FIELDS:
            raise _TooManyFieldsError
        tag = read_varint(stream)
        kind = tag & 7
        if kind == 0:
            read_varint(stream)
            continue
        length = read_varint(stream) if kind == 2 else {1: 8, 5: 4}.get(kind, -1)
        if length < 0 or stream.tell() + length > end:
            raise ValueError(f"no field at byte {at}")
        if kind == 2 and tag >> 3 == wanted and length <= MAX_CARD_BYTES:
            yield stream.read(length)
        else:
            stream.seek(length, io.SEEK_CUR)


def _text_fields(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    for number in (1, 2):
        for content in _fields(stream, number):
            yield number, content.decode()


def read_varint(stream: BinaryIO) -> int:
    """Read one integer of seven bits a byte, least significant first.

    >>> read_varint(io.BytesIO(bytes([0xAC, 0x02])))
    300
    """
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("no integer")


def read_tflite_card(path: Path) -> ModelCard:
    """Read the card from the zip archive behind a TFLite flatbuffer.

    Raises:
        NoCardError: there is none, or the archive is damaged.
        EdgeError: it is damaged, or larger than `MAX_CARD_BYTES`.
    """
    import zipfile  # half the modules of this package's start-up, and ONNX files do without

    try:
        with zipfile.ZipFile(io.BytesIO(_end_of(path))) as archive:
            members = archive.infolist()
            fault = _member_fault([(member.filename, member.file_size) for member in members])
            stored = {member.filename: member for member in members}
            text = "" if fault else _read_member(archive, stored[TFLITE_MEMBER])
    except Exception as error:  # of a damaged archive, zipfile lets through whatever its decompressors raise
        raise _no_card(str(path)) from error
    if fault:
        raise _unusable(path, *fault)
    return ModelCard.from_json(text, source=str(path))


def _end_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, io.SEEK_END) - MAX_ARCHIVE_BYTES))
        return stream.read(MAX_ARCHIVE_BYTES)


def _member_fault(members: Sequence[tuple[str, int]]) -> tuple[str, str] | None:
    """Say what to expect of the members of an archive and what is there instead, before any of them is read.

    >>> _member_fault([(TFLITE_MEMBER, 9_000), (LABELS_MEMBER, 90)])
    >>> _member_fault([(TFLITE_MEMBER, 9_000), ("../labels.txt", 90)])
    ('plain names of files', "'../labels.txt'")
    """
    names = [name for name, _ in members]
    if len(members) > MAX_MEMBERS:
        return f"at most {MAX_MEMBERS} files behind it", str(len(members))
    odd = next((name for name in names if not _MEMBER_NAME.fullmatch(name)), None)
    if odd is not None:
        return "plain names of files", one_line(repr(odd), limit=80)
    if len(set(names)) < len(names):
        return "every name once", "one twice"
    largest = max((size for _, size in members), default=0)
    return (f"at most {MAX_CARD_BYTES:,} bytes", f"{largest:,}") if largest > MAX_CARD_BYTES else None


def _read_member(archive: ZipFile, member: ZipInfo) -> str:
    """Read one member, never more than the bound, whatever its header says; `ZipFile.read` would decompress it all."""
    if member.compress_type not in _COMPRESSIONS:
        raise ValueError("a compression that takes what memory it likes")
    with archive.open(member) as stream:
        content = stream.read(MAX_CARD_BYTES + 1)
        stream.read(1)  # the checksum is compared at the end
    return content.decode()


def _unusable(path: Path, expected: str, got: str) -> EdgeError:
    return EdgeError(f"{path} has an unusable ModelCard", expected=expected, got=got, hint="export the model again")


def read_card(path: Path) -> ModelCard:
    """Read the card of an .onnx or a .tflite file; nothing of the file is run, and no runtime sees it.

    Raises:
        NoCardError: there is none.
        EdgeError: it is damaged, or the file cannot be read.
    """
    return read_tflite_card(path) if path.suffix == ".tflite" else read_onnx_file_card(path)


def _no_card(source: str) -> NoCardError:
    got = "a file that is truncated or was not exported by fmnist-edge"
    hint = "export it: fmnist-edge export, or take it as it is: --allow-unverified"
    return NoCardError(f"{source} has no ModelCard", got=got, hint=hint)
