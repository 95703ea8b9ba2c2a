"""A picture, from wherever it comes, to the 28x28 grey pixels that the models were trained on."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ..common.errors import EdgeError
from .runner import SIDE

Picture = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]
MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded: a forged header can claim billions of pixels."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is decoded; Pillow knows forty more, some of which start other programs."""
_HINT = "use a PNG, JPEG, WebP, BMP, GIF or TIFF file"
_BRIGHT = 127


def load_picture(picture: Picture) -> npt.NDArray[np.uint8]:
    """Return `picture` as the networks want it: uint8 ``(28, 28)``, background 0, garment bright.

    A 28x28 picture without colour is taken for one of the dataset's and passes through unchanged. Anything else is
    turned upright, made grey, laid on a square of its border's tone, scaled down, and negated if its border is bright.

    Args:
        picture: a path, the bytes of a file, a PIL image, or uint8 ``(h, w)``, ``(h, w, 3)`` or ``(h, w, 4)``.

    Raises:
        EdgeError: missing, empty, not a picture, damaged, or of more than `MAX_PIXELS`.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype == np.uint8 and picture.shape == (SIDE, SIDE):
            return picture
        return _prepare(_image_of_array(picture))
    name = str(picture) if isinstance(picture, str | Path) else "the picture"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what matters is whether the pixels decode
        try:
            return _decode(picture, name)
        except EdgeError:
            raise
        except UnidentifiedImageError as error:  # its own text shows an address in memory
            raise EdgeError(f"cannot read {name}", expected="a picture", got="something else", hint=_HINT) from error
        except Exception as error:  # of a damaged picture, Pillow lets through whatever its decoders raise
            raise EdgeError(f"cannot read {name}", expected="a picture", got=str(error), hint=_HINT) from error


def _decode(picture: str | Path | bytes | Image.Image, name: str) -> npt.NDArray[np.uint8]:
    if isinstance(picture, Image.Image):
        return _prepare(_sized(picture, name))
    content = picture if isinstance(picture, bytes) else _read(Path(picture))
    if not content:
        raise EdgeError(f"{name} is empty", expected="a picture", got="0 bytes")
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        _sized(image, name).draft("L", (8 * SIDE, 8 * SIDE))  # a JPEG is decoded at reduced size
        return _prepare(image)


def _sized(image: Image.Image, name: str) -> Image.Image:
    pixels, got = image.width * image.height, f"{image.width} x {image.height}"
    if not pixels:
        raise EdgeError(f"{name} is empty", expected="a picture", got=got)
    if pixels > MAX_PIXELS:
        raise EdgeError(f"{name} is too large", expected=f"at most {MAX_PIXELS:,} pixels", got=got)
    return image


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a picture", got=error.strerror or str(error)) from error


def _image_of_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {3, 4})
    if array.dtype != np.uint8 or not fits or not array.size:
        expected = "uint8 (h, w), (h, w, 3) or (h, w, 4)"
        raise EdgeError("unusable picture", expected=expected, got=f"{array.dtype} {array.shape}")
    return Image.fromarray(array)


def _prepare(image: Image.Image) -> npt.NDArray[np.uint8]:
    grey = _grey(image)
    if grey.size == (SIDE, SIDE):
        return np.asarray(grey)
    border = int(np.median(_border(np.asarray(grey))))
    grey.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    square = ImageOps.pad(grey, (SIDE, SIDE), color=border)
    return np.asarray(ImageOps.invert(square) if border > _BRIGHT else square)


def _grey(image: Image.Image) -> Image.Image:
    """Turn the image upright and grey; transparent parts become white, as on a product page."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits: Pillow would clip instead of scaling
        return Image.fromarray((np.asarray(upright).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if "A" in upright.mode or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return upright.convert("L")


def _border(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the pixels of the four edges, uint8 ``(k,)``."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
