"""Pictures of every kind become 28x28 grey pixels, bright on black; what is no picture is refused in words."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fmnist_edge import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.runtime.picture import load_picture

Pixels = npt.NDArray[np.uint8]
ORIENTATION = 0x0112


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the picture as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def square(*, garment: int = 0, background: int = 255, side: int = 280) -> Image.Image:
    """A grey picture of a square garment in the middle of a plain background."""
    image = Image.new("L", (side, side), background)
    image.paste(garment, (side // 4, side // 4, side - side // 4, side - side // 4))
    return image


def require_bright_on_black(pixels: Pixels, *, tolerance: int = 3) -> None:
    """Check that the corners are black and the middle is white."""
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.uint8
    assert max(int(pixels[y, x]) for y in (0, 1, -1) for x in (0, 1, -1)) <= tolerance
    assert int(pixels[10:18, 10:18].min()) >= 255 - tolerance


# --- pictures of the dataset pass through untouched ------------------------------------------------------------------


@pytest.mark.parametrize(
    "give",
    [
        lambda pixels: pixels,
        Image.fromarray,
        lambda pixels: encode(Image.fromarray(pixels)),
        lambda pixels: encode(Image.fromarray(pixels), "BMP"),
        lambda pixels: encode(Image.fromarray(pixels).convert("RGB")),
        lambda pixels: encode(Image.fromarray(pixels).convert("P")),
        lambda pixels: encode(Image.fromarray(pixels).convert("LA")),
        lambda pixels: encode(Image.fromarray(pixels.astype(np.uint16) * 257)),
        lambda pixels: encode(Image.fromarray(pixels.astype(np.uint16) * 257), "TIFF"),
    ],
    ids=["array", "image", "png", "bmp", "rgb", "palette", "opaque alpha", "16 bits", "16-bit tiff"],
)
def test_a_picture_of_the_dataset_passes_through_untouched(
    test_split: Split, give: Callable[[Pixels], Pixels | bytes | Image.Image]
) -> None:
    bright_border = int(np.argmax(test_split.images[:200, 0].mean(axis=1)))  # one that would be negated otherwise
    for pixels in (test_split.images[0], test_split.images[bright_border]):
        assert np.array_equal(load_picture(give(pixels)), pixels)


def test_a_path_may_be_a_string(png: Path, test_split: Split) -> None:
    assert np.array_equal(load_picture(png), test_split.images[0])
    assert np.array_equal(load_picture(str(png)), test_split.images[0])


# --- anything else is made to look like one --------------------------------------------------------------------------


def transparent() -> Image.Image:
    """A black garment on nothing, which is stored as black."""
    image = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (70, 70, 210, 210))
    return image


def palette_with_transparency() -> bytes:
    image = Image.new("P", (280, 280), 0)
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.paste(1, (70, 70, 210, 210))
    return encode(image, transparency=0)


@pytest.mark.parametrize(
    "picture",
    [
        encode(square()),
        encode(square(garment=255, background=0)),
        encode(square().convert("RGB")),
        encode(square().convert("P")),
        encode(square().convert("1")),
        encode(square(), "GIF"),
        encode(square(), "WEBP", lossless=True),
        encode(square(), "JPEG", quality=95),
        encode(square().convert("RGB").convert("CMYK"), "JPEG", quality=95),
        encode(Image.fromarray(np.asarray(square()).astype(np.uint16) * 257)),
        encode(Image.fromarray(np.asarray(square()).astype(np.uint16) * 257), "PPM"),
        encode(transparent()),
        palette_with_transparency(),
        transparent(),
        square().convert("F"),
        np.asarray(square()),
        np.asarray(square().convert("RGB")),
        np.asarray(transparent()),
    ],
    ids=[
        "white background",
        "black background",
        "rgb",
        "palette",
        "1 bit",
        "gif",
        "webp",
        "jpeg",
        "cmyk jpeg",
        "16 bits",
        "16-bit pgm",
        "alpha",
        "palette with transparency",
        "image with alpha",
        "image of floats",
        "array (h, w)",
        "array (h, w, 3)",
        "array (h, w, 4)",
    ],
)
def test_a_picture_of_any_kind_ends_bright_on_black(picture: Pixels | bytes | Image.Image) -> None:
    require_bright_on_black(load_picture(picture), tolerance=8)


@pytest.mark.parametrize("side", [56, 3_000])
def test_a_large_jpeg_is_read_like_a_small_one(side: int) -> None:
    require_bright_on_black(load_picture(encode(square(side=side), "JPEG", quality=95)))


@pytest.mark.parametrize("size", [(40, 80), (80, 40), (10, 20), (2, 4), (1, 1000), (1000, 1)])
def test_a_picture_that_is_no_square_is_laid_on_one_of_its_borders_tone(size: tuple[int, int]) -> None:
    assert np.array_equal(load_picture(Image.new("L", size, 40)), np.full((28, 28), 40))
    assert np.array_equal(load_picture(Image.new("L", size, 200)), np.full((28, 28), 55))


@pytest.mark.parametrize(("tone", "becomes"), [(0, 0), (127, 127), (128, 127), (255, 0)])
def test_a_picture_is_negated_from_the_middle_tone_up(tone: int, becomes: int) -> None:
    assert np.array_equal(load_picture(Image.new("L", (56, 56), tone)), np.full((28, 28), becomes))


def test_a_narrow_garment_keeps_its_proportions() -> None:
    image = Image.new("L", (140, 280), 255)
    image.paste(0, (40, 70, 100, 210))
    bright = load_picture(image) > 127
    assert np.flatnonzero(bright.any(axis=0)).tolist() == list(range(11, 17))
    assert np.flatnonzero(bright.any(axis=1)).tolist() == list(range(7, 21))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_lies_on_its_side_is_turned_upright(orientation: int) -> None:
    upright = Image.fromarray(np.arange(40 * 60, dtype=np.uint16).reshape(60, 40).astype(np.uint8))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    lying = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert np.array_equal(load_picture(encode(lying, exif=exif)), load_picture(upright))


def test_a_picture_is_not_changed_by_being_looked_at() -> None:
    image = transparent()
    before = image.tobytes()
    load_picture(image)
    assert (image.tobytes(), image.mode, image.size) == (before, "RGBA", (280, 280))


@pytest.mark.filterwarnings("error")
def test_odd_metadata_neither_warns_nor_matters() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\xff\xff\0\x06\0\0"
    assert np.array_equal(load_picture(encode(square(), exif=exif)), load_picture(square()))


# --- what is no picture ----------------------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """Return the beginning of a PNG file that claims to be of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8))
BAD_FILES = {
    "empty": (b"", "is empty; expected a picture; got 0 bytes"),
    "text": (
        b"This is text.",
        "expected a picture; got something else; next: use a PNG, JPEG",
    ),
    "truncated header": (encode(NOISE)[:20], "expected a picture; got .*; next: use a PNG"),
    "truncated png": (encode(NOISE)[:5_000], "expected a picture; got image file is truncated"),
    "truncated jpeg": (encode(NOISE, "JPEG")[:3_000], "expected a picture; got image file is truncated"),
    "a format that is not decoded": (encode(NOISE, "AVIF"), "expected a picture; got something else; next: use a PNG"),
    "nothing but a header": (png_header(100, 100), "expected a picture; got "),
    "too large": (png_header(9_000, 9_000), "is too large; expected at most 64,000,000 pixels; got 9000 x 9000"),
    "larger than pillow allows": (png_header(60_000, 60_000), "expected a picture; got Image size .* exceeds limit"),
}


@pytest.mark.parametrize(("content", "match"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_is_no_whole_picture_is_refused_by_name(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(EdgeError, match=rf"photo\.png.*{match}"):
        load_picture(path)
    with pytest.raises(EdgeError, match=f"the picture.*{match}"):
        load_picture(content)


@pytest.mark.parametrize(
    ("picture", "match"),
    [
        (lambda: Image.new("L", (0, 0)), "the picture is empty; expected a picture; got 0 x 0"),
        (lambda: Image.new("1", (8_001, 8_000)), "the picture is too large; .* 64,000,000 pixels; got 8001 x 8000"),
        (lambda: Image.open(io.BytesIO(encode(NOISE)[:5_000])), "cannot read the picture; .* image file is truncated"),
        (lambda: Image.new("La", (40, 40)), "cannot read the picture; .* conversion from La to L not supported"),
    ],
    ids=["empty", "too large", "truncated", "odd mode"],
)
def test_an_image_that_cannot_be_used_is_refused(picture: Callable[[], Image.Image], match: str) -> None:
    with pytest.raises(EdgeError, match=match):
        load_picture(picture())


def test_a_picture_of_just_the_largest_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmnist_edge.runtime.picture.MAX_PIXELS", 30 * 40)
    require_black = np.zeros((28, 28), np.uint8)
    assert np.array_equal(load_picture(encode(Image.new("L", (30, 40)))), require_black)
    with pytest.raises(EdgeError, match="too large; expected at most 1,200 pixels; got 31 x 40"):
        load_picture(encode(Image.new("L", (31, 40))))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((28, 28), np.float32),
        np.zeros((28, 28), bool),
        np.zeros(784, np.uint8),
        np.zeros((40, 40, 2), np.uint8),
        np.zeros((1, 28, 28), np.uint8),
        np.zeros((1, 40, 40, 3), np.uint8),
        np.zeros((0, 40), np.uint8),
        np.zeros((40, 0, 3), np.uint8),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_an_array_that_is_no_picture_is_refused(array: Pixels) -> None:
    with pytest.raises(EdgeError, match=r"unusable picture; expected uint8 \(h, w\), \(h, w, 3\).*; got ") as caught:
        load_picture(array)
    assert str(caught.value).endswith(f"got {array.dtype} {array.shape}")


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*absent\.png; expected a picture; got No such file"):
        load_picture(tmp_path / "absent.png")
    with pytest.raises(EdgeError, match=r"cannot read .*; expected a picture; got Is a directory"):
        load_picture(str(tmp_path))
