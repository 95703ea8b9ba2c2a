"""A picture, from wherever it comes, to the 28x28 grey pixels that the models were trained on."""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error
from .runner import SIDE

if TYPE_CHECKING:
    from .garment import Garment

Picture = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]
Kind = Literal["auto", "dataset", "photo"]
"""What a picture is taken for; ``auto`` looks at it."""
MAX_PIXELS = 64_000_000
"""More are not decoded: a forged header can claim billions. A JPEG is decoded at reduced size, which is what counts."""
_COSTLY_PIXELS = {"WEBP": 20_000_000, "TIFF": 24_000_000, "PPM": 24_000_000}
"""Bounds of the formats that take more than 4 bytes for a pixel while they are decoded, so that none takes 512 MiB:
libwebp holds a picture four times, Pillow a turned copy of a TIFF beside a strip of any height, and a PPM as bytes."""
_SCANS_PIXELS = 32_000_000
"""Bound of a JPEG whose components come in several scans, such as a progressive one: libjpeg keeps the coefficients of
the full size, up to 8 bytes for a pixel, whatever the size it is decoded at."""
_PYTHON_PIXELS = 1_000_000
"""Bound of what Pillow decodes in Python, such as a BMP of runs or a PPM of text: up to a second for a million pixels,
and a few bytes may claim them all."""
MAX_BYTES = 128_000_000
"""A longer file is not read: a decoder may hold all of it beside its pixels."""
MIN_SIDE = 8
"""Smaller pictures show nothing."""
PHOTO_SIDE = 256
"""Longest side in pixels at which a photo is looked at."""
_LARGE_SIDE = 1024
"""A longest side of twice as many pixels or more is divided by a whole number, to as few as these."""
_TILE_SIDE = 64
"""Tiles that are made small at once have so many rows and columns of what becomes of them: at most 4 million pixels."""
_ORIENTATION = 0x0112
"""The tag of Exif that tells how a camera was held."""
_START_OF_SCAN = 0xDA
"""The marker of a JPEG before the number of components in a scan (ITU-T T.81, B.2.3)."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is decoded; Pillow knows forty more, some of which start other programs."""
_MOVING = ("GIF", "PNG", "WEBP")
"""Formats whose further pictures are an animation; those of a JPEG (a depth map) or a TIFF (a thumbnail) are not."""
_HINT = "use a PNG, JPEG, WebP, BMP, GIF or TIFF file"
_BLACK = 8
_COLOURLESS = 12
"""Largest difference between the channels of a grey pixel; a JPEG's are not quite equal."""


@dataclass(frozen=True)
class Prepared:
    """A picture as the networks want it.

    Attributes:
        views: uint8 ``(k, 28, 28)``, background 0, garment bright. One for a picture of the dataset; of a photo several
            that ought to be classified alike.
        photo: the photo, mode RGB, longest side at most `PHOTO_SIDE`; None for a picture of the dataset.
        garment: where it was found on the photo.
    """

    views: npt.NDArray[np.uint8]
    photo: Image.Image | None = None
    garment: Garment | None = None

    @property
    def kind(self) -> Kind:
        """What it was taken for: ``dataset`` or ``photo``."""
        return "dataset" if self.photo is None else "photo"


def load_picture(picture: Picture, *, kind: Kind = "auto") -> npt.NDArray[np.uint8]:
    """Return the first of the views that `prepare` makes of a picture, uint8 ``(28, 28)``.

    Raises:
        EdgeError: as `prepare`.
    """
    pixels: npt.NDArray[np.uint8] = prepare(picture, kind=kind).views[0]
    return pixels


def prepare(picture: Picture, *, kind: Kind = "auto") -> Prepared:
    """Return `picture` as the networks want it.

    A picture of the dataset (28x28 and without colour, or a larger square without colour and with a black border) is
    made 28x28 and otherwise left as it is; one that has this size passes through untouched. Everything else is a photo:
    it is turned upright, the garment is found, trimmed, scaled and laid on black (`views_of`).

    Args:
        picture: a path, the bytes of a file, a PIL image, or uint8 ``(h, w)``, ``(h, w, 3)`` or ``(h, w, 4)``.
        kind: what to take it for.

    Raises:
        EdgeError: missing, empty, not a picture, damaged, animated, of more than `MAX_PIXELS` or less than `MIN_SIDE`.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype == np.uint8 and picture.shape == (SIDE, SIDE) and kind != "photo":
            return Prepared(picture[np.newaxis])
        picture = _image_of_array(picture)
    upright = _decode(picture)
    if kind == "dataset" or (kind == "auto" and _is_of_dataset(upright)):
        return Prepared(_fit(_on_white(upright).convert("L"))[np.newaxis])
    return _prepare_photo(upright)


def _decode(picture: str | Path | bytes | Image.Image) -> Image.Image:
    """Return the picture upright, in mode L, RGB or RGBA; a large JPEG at reduced size.

    Raises:
        EdgeError: as `prepare`.
    """
    name = str(picture) if isinstance(picture, str | Path) else "the picture"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what matters is whether the pixels decode
        try:
            if isinstance(picture, Image.Image):
                return _standardise(picture, name)
            return _decode_file(picture if isinstance(picture, bytes) else _source(Path(picture)), name)
        except EdgeError:
            raise
        except UnidentifiedImageError as error:  # its own text shows an address in memory
            raise EdgeError(f"cannot read {name}", expected="a picture", got="something else", hint=_HINT) from error
        except Exception as error:  # of a damaged picture, Pillow lets through whatever its decoders raise
            raise EdgeError(f"cannot read {name}", expected="a picture", got=str(error), hint=_HINT) from error


def _decode_file(file: bytes | Path, name: str) -> Image.Image:
    if file == b"":
        raise EdgeError(f"{name} is empty", expected="a picture", got="0 bytes")
    if (len(file) if isinstance(file, bytes) else file.stat().st_size) > MAX_BYTES:
        raise _too_long(name)
    # By its path, Pillow loads the one decoder that the name speaks of, which saves a tenth of the start-up.
    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
        frames = getattr(image, "n_frames", 1) if image.format in _MOVING else 1
        if frames > 1:
            hint = "save one of them as a picture"
            raise EdgeError(f"{name} is animated", expected="one picture", got=f"{frames}", hint=hint)
        if _comes_in_scans(image):
            _require_usable_size(image, name)  # all of it is kept
        image.draft(None, (PHOTO_SIDE, PHOTO_SIDE))  # a JPEG is decoded at reduced size, which takes a fifth
        return _standardise(image, name)


def _comes_in_scans(image: Image.Image) -> bool:
    """Tell whether a file that was not decoded yet is a JPEG whose first scan is not its only one, or may not be."""
    stream: BinaryIO | None = getattr(image, "fp", None)
    if image.format not in {"JPEG", "MPO"} or stream is None:
        return False
    at = stream.tell()
    try:
        stream.seek(2)
        while len(head := stream.read(4)) == 4 and head[0] == 0xFF and not image.info.get("progressive"):
            if head[1] == _START_OF_SCAN:
                return stream.read(1) != bytes([getattr(image, "layers", 0)])
            stream.seek(int.from_bytes(head[2:], "big") - 2, io.SEEK_CUR)
        return True
    finally:
        stream.seek(at)


def _standardise(image: Image.Image, name: str) -> Image.Image:
    _require_usable_size(image, name)
    # Of a damaged file, libtiff writes lines of its own; the error that Pillow raises says it in one.
    with quiet_standard_error() if image.format == "TIFF" else contextlib.nullcontext():
        image.load()
    orientation = image.getexif().get(_ORIENTATION)
    small = _made_small(image)
    if orientation:
        small.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(small)


def _made_small(image: Image.Image) -> Image.Image:
    """Return the picture in mode L, RGB or RGBA, its longest side less than twice `_LARGE_SIDE`.

    It is done tile by tile, so that no copy of a large picture is made.
    """
    factor = max(image.size) // _LARGE_SIDE
    if factor < 2:
        return _one_of_three_modes(image)
    (width, height), side = image.size, factor * _TILE_SIDE
    small = None
    for top, left in itertools.product(range(0, height, side), range(0, width, side)):
        tile = image.crop((left, top, min(left + side, width), min(top + side, height)))
        tile = _one_of_three_modes(tile).reduce(factor)
        small = small or Image.new(tile.mode, (-(-width // factor), -(-height // factor)))
        small.paste(tile, (left // factor, top // factor))
    return small or image


def _one_of_three_modes(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits: Pillow would clip instead of scaling
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if "A" in image.mode or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in {"1", "L", "F"} else "RGB")


def _source(path: Path) -> bytes | Path:
    """Return the path of a file that can be read, its content where it is empty or a pipe: that opens only once."""
    try:
        with path.open("rb") as stream:
            if not path.is_file():
                return read_bounded(stream, str(path))
            return path if stream.read(1) else b""
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a picture", got=error.strerror or str(error)) from error


def read_bounded(stream: BinaryIO, name: str) -> bytes:
    """Read a picture from a stream, which need not end.

    Raises:
        EdgeError: it is longer than `MAX_BYTES`.
    """
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _too_long(name)
    return content


def _too_long(name: str) -> EdgeError:
    return EdgeError(f"{name} is too large", expected=f"a picture of at most {MAX_BYTES:,} bytes", got="more")


def _image_of_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {3, 4})
    if array.dtype != np.uint8 or not fits or not array.size:
        expected = "uint8 (h, w), (h, w, 3) or (h, w, 4)"
        raise EdgeError("unusable picture", expected=expected, got=f"{array.dtype} {array.shape}")
    return Image.fromarray(array)


def _require_usable_size(image: Image.Image, name: str) -> None:
    pixels, got = image.width * image.height, f"{image.width} x {image.height}"
    if not pixels:
        raise EdgeError(f"{name} is empty", expected="a picture", got=got)
    if min(image.size) < MIN_SIDE:
        raise EdgeError(f"{name} is too small", expected=f"at least {MIN_SIDE} x {MIN_SIDE} pixels", got=got)
    most = min(MAX_PIXELS, _most_pixels(image))
    if pixels > most:
        raise EdgeError(f"{name} is too large", expected=f"at most {most:,} pixels", got=got)


def _most_pixels(image: Image.Image) -> int:
    """Return how many pixels the decoder of an image may be asked for."""
    if any(tile[0] in Image.DECODERS for tile in getattr(image, "tile", ())):
        return _PYTHON_PIXELS
    return _SCANS_PIXELS if _comes_in_scans(image) else _COSTLY_PIXELS.get(image.format or "", MAX_PIXELS)


def _is_of_dataset(image: Image.Image) -> bool:
    """Tell whether an upright image is one of the dataset's, perhaps enlarged."""
    pixels = np.asarray(_on_white(image).convert("RGB").reduce(max(1, min(image.size) // SIDE)), np.int16)
    if np.ptp(pixels, axis=2).max() > _COLOURLESS:
        return False
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return image.size == (SIDE, SIDE) or (image.width == image.height and float(np.median(rim)) <= _BLACK)


def _prepare_photo(upright: Image.Image) -> Prepared:
    from .garment import Garment, find_garment  # only photos need them
    from .views import views_of

    small = upright.copy()
    small.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.BOX)
    photo = _on_white(small).convert("RGB")
    garment = Garment.of_alpha(small) if small.mode == "RGBA" else None
    garment = garment or find_garment(photo)
    return Prepared(views_of(photo, garment), photo, garment)


def _on_white(image: Image.Image) -> Image.Image:
    """Lay what may be transparent on white, as on a product page; what is opaque stays as it is."""
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image) if image.mode == "RGBA" else image


def _fit(grey: Image.Image) -> npt.NDArray[np.uint8]:
    """Scale a grey image to fit 28x28, on black; one of that size is left as it is."""
    return np.asarray(ImageOps.pad(grey, (SIDE, SIDE), Image.Resampling.BOX, color=0))
