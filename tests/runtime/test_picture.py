"""Pictures of every kind become 28x28 grey pixels, bright on black; what is no picture is refused in words."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from fmnist_edge import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.runtime.picture import _made_small, load_picture, prepare

Pixels = npt.NDArray[np.uint8]
PHOTOS = Path(__file__).parents[1] / "data" / "photos"
ORIENTATION = 0x0112


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the picture as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def garment(*, tone: int = 0, background: int = 255, side: int = 280) -> Image.Image:
    """A grey picture of a garment, twice as high as wide, in the middle of a plain background."""
    image = Image.new("L", (side, side), background)
    image.paste(tone, (side * 3 // 8, side // 4, side * 5 // 8, side * 3 // 4))
    return image


def require_garment(pixels: Pixels) -> None:
    """Check that the garment is bright, fills the height, keeps its proportions, and stands in the middle of black."""
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.uint8
    assert int(pixels[1:-1, 9:19].min()) >= 40
    assert not pixels[:, :6].any()
    assert not pixels[:, -6:].any()


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
    image.paste((0, 0, 0, 255), (105, 70, 175, 210))
    return image


def palette_with_transparency() -> bytes:
    image = Image.new("P", (280, 280), 0)
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.paste(1, (105, 70, 175, 210))
    return encode(image, transparency=0)


PICTURES: dict[str, Pixels | bytes | Image.Image] = {
    "white background": encode(garment()),
    "dark background": encode(garment(tone=250, background=60)),
    "rgb": encode(garment().convert("RGB")),
    "palette": encode(garment().convert("P")),
    "1 bit": encode(garment().convert("1")),
    "gif": encode(garment(), "GIF"),
    "webp": encode(garment(), "WEBP", lossless=True),
    "jpeg": encode(garment(), "JPEG", quality=95),
    "progressive jpeg": encode(garment(), "JPEG", quality=95, progressive=True),
    "cmyk jpeg": encode(garment().convert("RGB").convert("CMYK"), "JPEG", quality=95),
    "16 bits": encode(Image.fromarray(np.asarray(garment()).astype(np.uint16) * 257)),
    "16-bit pgm": encode(Image.fromarray(np.asarray(garment()).astype(np.uint16) * 257), "PPM"),
    "alpha": encode(transparent()),
    "palette with transparency": palette_with_transparency(),
    "image with alpha": transparent(),
    "image of floats": garment().convert("F"),
    "array (h, w)": np.asarray(garment()),
    "array (h, w, 3)": np.asarray(garment().convert("RGB")),
    "array (h, w, 4)": np.asarray(transparent()),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_the_garment_of_a_picture_of_any_kind_ends_bright_on_black(picture: Pixels | bytes | Image.Image) -> None:
    prepared = prepare(picture)
    require_garment(load_picture(picture))
    assert prepared.kind == "photo"
    assert prepared.garment is not None
    assert prepared.garment.found
    assert prepared.photo is not None
    assert prepared.photo.mode == "RGB"


@pytest.mark.parametrize("side", [56, 3_000])
def test_a_large_jpeg_is_read_like_a_small_one(side: int) -> None:
    require_garment(load_picture(encode(garment(side=side), "JPEG", quality=95)))


def test_a_large_jpeg_is_not_decoded_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    transpose = ImageOps.exif_transpose

    def spy(image: Image.Image) -> Image.Image:
        sizes.append(image.size)
        return transpose(image)

    monkeypatch.setattr(ImageOps, "exif_transpose", spy)
    load_picture(encode(garment(side=3_000), "JPEG"))
    assert sizes == [(375, 375)]  # an eighth, which is the least that JPEG knows


@pytest.mark.parametrize("size", [(40, 80), (80, 40), (10, 20), (8, 1000), (1000, 8)])
def test_of_a_picture_that_shows_nothing_something_is_made_all_the_same(size: tuple[int, int]) -> None:
    prepared = prepare(Image.new("L", size, 140))
    assert prepared.garment is not None
    assert not prepared.garment.found
    assert prepared.views.shape[1:] == (28, 28)


# --- what a picture is taken for -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [29, 56, 280])
def test_an_enlarged_picture_of_the_dataset_is_made_small_again(side: int, test_split: Split) -> None:
    pixels = test_split.images[0]
    large = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
    assert prepare(large).kind == "dataset"
    difference = load_picture(large).astype(int) - pixels
    assert np.abs(difference).mean() <= (0 if side % 28 == 0 else 8)


def test_almost_every_picture_of_the_dataset_is_known_as_one_when_enlarged(test_split: Split) -> None:
    large = [Image.fromarray(pixels).resize((112, 112)) for pixels in test_split.images[:200]]
    assert sum(prepare(image).kind == "dataset" for image in large) >= 198


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (28, 28), (200, 30, 30)),
        Image.new("L", (56, 57), 0),
        garment(background=40, tone=250),
        garment(background=0, tone=250).convert("RGB").point([0] * 256 + list(range(256)) * 2),
    ],
    ids=["28x28 in colour", "not square", "dark border", "black border and colour"],
)
def test_what_is_taken_for_a_photo(picture: Image.Image) -> None:
    assert prepare(picture).kind == "photo"


def test_the_kind_can_be_decided_by_hand(test_split: Split) -> None:
    pixels = test_split.images[1]
    assert prepare(pixels, kind="photo").kind == "photo"
    assert prepare(encode(Image.fromarray(pixels)), kind="photo").kind == "photo"
    photo = garment(background=200, tone=90).convert("RGB")
    taken = prepare(photo, kind="dataset")
    assert taken.kind == "dataset"
    assert taken.views.shape == (1, 28, 28)
    assert (int(taken.views[0, 0, 0]), int(taken.views[0, 14, 14])) == (200, 90)


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
    assert np.array_equal(load_picture(encode(garment(), exif=exif)), load_picture(garment()))


# --- what is no picture ----------------------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """Return the beginning of a PNG file that claims to be of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animation(kind: str) -> bytes:
    """Return three pictures in one file."""
    frames = [Image.new("RGB", (60, 60), color) for color in ("red", "green", "blue")]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


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
    "too large for a gif": (
        encode(Image.new("L", (8_001, 8_000)), "GIF"),
        "is too large; expected at most 64,000,000 pixels; got 8001 x 8000",
    ),
    "a bomb": (png_header(50_000, 50_000), "expected a picture; got Image size .* exceeds limit"),
    "animated gif": (animation("GIF"), "is animated; expected one picture; got 3; next: save one of them"),
    "animated png": (animation("PNG"), "is animated; expected one picture; got 3; next: save one of them"),
    "animated webp": (animation("WEBP"), "is animated; expected one picture; got 3; next: save one of them"),
    "one pixel": (encode(Image.new("L", (1, 1))), "is too small; expected at least 8 x 8 pixels; got 1 x 1"),
    "one row": (encode(Image.new("L", (1_000, 7))), "is too small; expected at least 8 x 8 pixels; got 1000 x 7"),
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
    assert load_picture(encode(Image.new("L", (30, 40)))).shape == (28, 28)
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


def test_a_jpeg_is_measured_at_the_size_it_is_decoded_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmnist_edge.runtime.picture.MAX_PIXELS", 100_000)
    require_garment(load_picture(encode(garment(side=2_400), "JPEG")))  # an eighth: 300 x 300
    with pytest.raises(EdgeError, match="too large; expected at most 100,000 pixels; got 2400 x 2400"):
        load_picture(encode(garment(side=2_400), "JPEG", progressive=True))  # its memory is that of the full size


def test_the_further_pictures_in_a_phones_jpeg_do_not_matter() -> None:
    content = encode(garment(), "MPO", save_all=True, append_images=[Image.new("L", (40, 40))])
    with Image.open(io.BytesIO(content)) as opened:
        assert getattr(opened, "n_frames", 1) == 2
    require_garment(load_picture(content))


def test_a_picture_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encode(garment(), "JPEG", quality=95))
    require_garment(load_picture(path))


def test_a_fault_of_ours_is_not_called_a_damaged_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(photo: object, found: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("fmnist_edge.runtime.views.views_of", broken)
    with pytest.raises(RuntimeError, match="ours"):
        load_picture(encode(garment()))


def test_a_picture_may_come_out_of_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    content = encode(NOISE)
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    assert np.array_equal(load_picture(pipe), load_picture(content))
    writer.join(timeout=10)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo", "photo.webp"])
def test_a_name_says_nothing_of_what_is_in_a_file(tmp_path: Path, name: str) -> None:
    for content in (encode(NOISE), (PHOTOS / "dress-001.jpg").read_bytes()):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(load_picture(tmp_path / name), load_picture(content))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate"])
def test_of_a_damaged_tiff_no_library_writes_lines_of_its_own(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content = encode(NOISE, "TIFF", compression=compression)
    damaged = content[:300] + b"\xff" * 3_000 + content[3_300:]
    with pytest.raises(EdgeError, match="cannot read the picture; expected a picture; got decoder error"):
        load_picture(damaged)
    assert capfd.readouterr().err == ""


# --- memory ----------------------------------------------------------------------------------------------------------

PEAK = """
import sys
from fmnist_edge.runtime.picture import prepare
prepare(sys.argv[1])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1])
"""
"""Of the process itself: ru_maxrss begins with what the parent had when it was forked."""
MOST_MEMORY_BYTES = 512 << 20
SIXTEEN_BITS = np.uint16(200)
AT_THE_BOUND: dict[str, Callable[[Path], None]] = {
    "png": lambda path: Image.new("RGBA", (8_000, 8_000)).save(path, "PNG", compress_level=1, exif=lying()),
    "16-bit png": lambda path: Image.fromarray(np.full((8_000, 8_000), SIXTEEN_BITS)).save(path, "PNG"),
    "palette": lambda path: Image.new("P", (8_000, 8_000)).save(path, "PNG", transparency=bytes(256)),
    "thin png": lambda path: Image.new("RGBA", (8_000_000, 8)).save(path, "PNG", compress_level=1),
    "webp": lambda path: Image.new("RGBA", (5_000, 4_000), "red").save(
        path, "WEBP", lossless=True, method=0, quality=0
    ),
    "tiff": lambda path: Image.new("F", (6_000, 4_000)).save(
        path, "TIFF", compression="tiff_lzw", tiffinfo={278: 4_000}, exif=lying()
    ),
    "progressive jpeg": lambda path: Image.new("CMYK", (8_000, 4_000)).save(path, "JPEG", progressive=True),
    "bmp": lambda path: Image.new("RGB", (6_500, 6_500)).save(path, "BMP"),
    "gif": lambda path: Image.new("P", (8_000, 8_000)).save(path, "GIF", transparency=3),
    "ppm": lambda path: Image.new("RGB", (6_000, 4_000)).save(path, "PPM"),
}


def lying() -> Image.Exif:
    """Return the metadata of a picture that lies on its side."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of one process is told by Linux alone")
@pytest.mark.parametrize("write", AT_THE_BOUND.values(), ids=AT_THE_BOUND.keys())
def test_the_largest_picture_of_every_kind_is_read_in_little_memory(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "picture"
    write(path)
    command = [sys.executable, "-c", PEAK, str(path)]
    peak_kilobytes = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(f"{peak_kilobytes / 1024:.0f} MiB")  # noqa: T201
    assert peak_kilobytes * 1024 <= MOST_MEMORY_BYTES


@pytest.mark.parametrize(
    ("kind", "mode", "options", "most"),
    [
        ("WEBP", "RGB", {"lossless": True, "method": 0, "quality": 0}, "20,000,000"),
        ("TIFF", "1", {}, "24,000,000"),
        ("PPM", "1", {}, "24,000,000"),
        ("JPEG", "L", {"progressive": True}, "32,000,000"),
    ],
)
def test_what_takes_more_memory_for_a_pixel_may_have_fewer(kind: str, mode: str, options: Any, most: str) -> None:
    height = int(most.replace(",", "")) // 4_000 + 1
    content = encode(Image.new(mode, (4_000, height)), kind, **options)
    with pytest.raises(EdgeError, match=f"is too large; expected at most {most} pixels; got 4000 x {height}"):
        load_picture(content)


def run_length_bmp(width: int, height: int) -> bytes:
    """Return a BMP whose rows each end after their first pixel: four bytes for any number of them."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 2, 0)
    offset = 14 + len(header) + 8
    return struct.pack("<2sIHHI", b"BM", 0, 0, 0, offset) + header + b"\0\0\0\0\xff\xff\xff\0" + b"\1\0\0\0" * height


@pytest.mark.parametrize(
    "content",
    [run_length_bmp(1_001, 1_000), b"P2 1001 1000 255\n", b"P5 1001 1000 7\n"],
    ids=["BMP in runs", "PPM as text", "PPM of 7 greys"],
)
def test_what_is_decoded_in_python_may_have_a_million_pixels(content: bytes) -> None:
    with pytest.raises(EdgeError, match="is too large; expected at most 1,000,000 pixels; got 1001 x 1000"):
        load_picture(content)


def test_a_small_picture_of_runs_is_decoded() -> None:
    assert load_picture(run_length_bmp(100, 100)).shape == (28, 28)


def test_a_jpeg_with_a_scan_for_every_component_is_bounded_like_a_progressive_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fmnist_edge.runtime.picture._SCANS_PIXELS", 100_000)
    photo = garment(side=2_400).convert("RGB")
    together = encode(photo, "JPEG")
    require_garment(load_picture(together))
    scan = together.index(b"\xff\xda\x00\x0c\x03")
    alone = together[: scan + 2] + b"\x00\x08\x01\x01\x00\x00\x3f\x00" + together[scan + 14 :]
    with pytest.raises(EdgeError, match="too large; expected at most 100,000 pixels; got 2400 x 2400"):
        load_picture(alone)


def test_a_jpeg_whose_scan_is_not_found_is_taken_for_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmnist_edge.runtime.picture._SCANS_PIXELS", 100_000)
    content = encode(garment(side=2_400), "JPEG")
    with pytest.raises(EdgeError, match="too large; expected at most 100,000 pixels; got 2400 x 2400"):
        load_picture(content[:20] + b"junk" + content[20:])


def test_a_large_picture_is_made_small_tile_by_tile_as_it_would_be_whole() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (2_111, 2_500, 3), np.uint8)
    small = _made_small(Image.fromarray(pixels))
    assert small.size == (1_250, 1_056)
    assert np.array_equal(np.asarray(small), np.asarray(Image.fromarray(pixels).reduce(2)))


def test_a_large_picture_that_lies_on_its_side_is_turned_upright() -> None:
    upright = garment(side=2_800)
    lying_down = upright.transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(load_picture(encode(lying_down, exif=lying())), load_picture(upright))


def test_a_file_longer_than_any_picture_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode(NOISE)
    (tmp_path / "photo.png").write_bytes(content)
    monkeypatch.setattr("fmnist_edge.runtime.picture.MAX_BYTES", len(content))
    load_picture(tmp_path / "photo.png")
    monkeypatch.setattr("fmnist_edge.runtime.picture.MAX_BYTES", len(content) - 1)
    for picture in (content, tmp_path / "photo.png"):
        with pytest.raises(EdgeError, match=r"is too large; expected a picture of at most [\d,]+ bytes; got more"):
            load_picture(picture)
