"""A TFLite file: the flatbuffer, then a zip archive with the ModelCard and the labels, then the digest of it all."""

from __future__ import annotations

import io
import zipfile

from ..runtime.card import LABELS_MEMBER, TFLITE_MEMBER, ModelCard
from ..runtime.integrity import UNSEALED, seal

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that zip knows: the same card gives the same bytes


def append_card(graph: bytes, card: ModelCard) -> bytes:
    """Return the finished file; the digest is the archive's comment, which is the last thing in a zip archive."""
    out = io.BytesIO(graph)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(TFLITE_MEMBER, _ZIP_EPOCH), card.to_json())
        archive.writestr(zipfile.ZipInfo(LABELS_MEMBER, _ZIP_EPOCH), "\n".join(card.labels) + "\n")
        archive.comment = UNSEALED
    return seal(out.getvalue())
