"""Draw what the network saw: photo, garment, its 28x28 input and the answer, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..common.errors import EdgeError
from ..common.files import atomic_path
from .classifier import Prediction
from .gather import Answer
from .picture import Prepared

TILE = 256
_GAP, _BARS = 12, 300
_PAPER, _INK, _FAINT, _BAR = "#ffffff", "#202124", "#80868b", "#1a73e8"
_SHADE = 0.15
"""How much of the background still shines through on the tile with the garment."""
MAX_ROWS = 100


def save_sheet(path: Path, answers: Sequence[Answer]) -> Path:
    """Draw one row a picture, at most `MAX_ROWS`, into an image file whose format its name says.

    Raises:
        EdgeError: the file cannot be written, or its suffix is of no format that Pillow writes.
    """
    shown = answers[:MAX_ROWS]
    sheet = Image.new("RGB", (3 * (TILE + _GAP) + _BARS + _GAP, len(shown) * (TILE + 3 * _GAP) + _GAP), _PAPER)
    for position, answer in enumerate(shown):
        sheet.paste(_row(answer), (0, position * (TILE + 3 * _GAP) + _GAP))
    with atomic_path(path) as temporary:
        try:
            sheet.save(temporary)
        except ValueError as error:
            raise EdgeError(f"cannot draw {path}", expected="a name ending in .png", got=path.suffix) from error
    return path


def _row(answer: Answer) -> Image.Image:
    prepared = answer.prepared
    row = Image.new("RGB", (3 * (TILE + _GAP) + _BARS + _GAP, TILE + 2 * _GAP), _PAPER)
    draw = ImageDraw.Draw(row)
    draw.text((_GAP, 0), answer.name, _INK, _font(13))
    network = Image.fromarray(prepared.views[0])
    photo = prepared.photo or network.convert("RGB")
    tiles = (photo, _cut_out(photo, prepared), network.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST))
    for column, tile in enumerate(tiles):
        _paste(row, tile, (_GAP + column * (TILE + _GAP), 2 * _GAP))
    _draw_answer(draw, answer.prediction, left=_GAP + 3 * (TILE + _GAP), top=2 * _GAP)
    return row


def _cut_out(photo: Image.Image, prepared: Prepared) -> Image.Image:
    """Return the photo with everything but the garment darkened."""
    if prepared.garment is None:
        return photo
    mask = Image.fromarray(prepared.garment.mask).convert("L").resize(photo.size)
    dark = Image.fromarray((np.asarray(photo) * _SHADE).astype(np.uint8))
    return Image.composite(photo, dark, mask)


def _paste(row: Image.Image, tile: Image.Image, corner: tuple[int, int]) -> None:
    scale = TILE / max(tile.size)
    size = max(1, round(tile.width * scale)), max(1, round(tile.height * scale))
    fitted = tile.resize(size, Image.Resampling.NEAREST if scale > 4 else Image.Resampling.BILINEAR)
    row.paste(fitted, (corner[0] + (TILE - size[0]) // 2, corner[1] + (TILE - size[1]) // 2))


def _draw_answer(draw: ImageDraw.ImageDraw, prediction: Prediction, *, left: int, top: int) -> None:
    draw.text((left, top), prediction.label, _INK, _font(24))
    line = f"confidence {prediction.confidence:.0%}" + (", unsure" if prediction.unsure else "")
    draw.text((left, top + 32), line, _FAINT if prediction.unsure else _INK, _font(15))
    for position, (label, probability) in enumerate(prediction.top(8)):
        y = top + 64 + position * 24
        draw.text((left, y), label, _INK, _font(13))
        draw.rectangle((left + 100, y + 2, left + 100 + round(130 * probability), y + 14), _BAR)
        draw.text((left + 240, y), f"{probability:.1%}", _FAINT, _font(13))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
