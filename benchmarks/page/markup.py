"""HTML in which text is escaped unless it was made here: what is not `Markup` cannot become a tag."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

_VOID = {"img", "meta", "link", "br"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str], **attributes: str | bool | None) -> Markup:
    """Return an element; children that are not `Markup` are escaped, attributes always.

    An attribute's name may end in an underscore (``class_``), and its other underscores become hyphens; False and None
    leave it out, True writes its name alone.

    >>> tag("p", "1 < 2 ", tag("b", "yes"), class_="note")
    '<p class="note">1 &lt; 2 <b>yes</b></p>'
    """
    opening = "".join([name, *(_attribute(key, value) for key, value in attributes.items())])
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")


def join(children: Iterable[str | Iterable[str]]) -> Markup:
    """Put children one after another, nested or not; what is not `Markup` is escaped."""
    parts = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(escape(child, quote=False))
        else:
            parts.append(str(join(child)))
    return Markup("".join(parts))


def _attribute(key: str, value: str | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value), quote=True)}"'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, class_: str = "") -> Markup:
    """Return a table that scrolls on its own where the page is narrow; the first column heads the rows."""
    head = tag("tr", (tag("th", cell, scope="col") for cell in header))
    body = (tag("tr", tag("th", row[0], scope="row"), (tag("td", cell) for cell in row[1:])) for row in rows)
    content = tag("table", caption_of(caption), tag("thead", head), tag("tbody", body), class_=class_ or None)
    return scroll(content, label=caption)


def caption_of(text: str) -> Markup:
    """Return a table's caption, which stays in sight where the table scrolls."""
    return tag("caption", tag("span", text))


def scroll(content: Markup, *, label: str) -> Markup:
    """Let wide content scroll inside the page, by keyboard too."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex="0")


def section(identity: str, title: str, *children: str | Iterable[str]) -> Markup:
    """Return a section of the page with its heading."""
    return tag("section", tag("h2", title, id=identity), *children, aria_labelledby=identity)


def details(summary: str, *children: str | Iterable[str], open_: bool = False) -> Markup:
    """Return something that opens on demand."""
    return tag("details", tag("summary", summary), *children, open=open_)


def picture(image: npt.NDArray[np.uint8], *, alt: str) -> Markup:
    """Return one image of the dataset, uint8 ``(h, w)``, inside the page."""
    content = base64.b64encode(grey_png(image)).decode()
    height, width = image.shape
    source = f"data:image/png;base64,{content}"
    return tag("img", src=source, alt=alt, width=str(3 * width), height=str(3 * height), class_="pixels")


def grey_png(image: npt.NDArray[np.uint8]) -> bytes:
    r"""Encode a grey image, uint8 ``(h, w)``, as PNG.

    Source: W3C, "Portable Network Graphics (PNG) Specification", third edition, section 5; every line with filter 0.

    >>> grey_png(np.zeros((2, 2), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width = image.shape
    lines = np.hstack([np.zeros((height, 1), np.uint8), image])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
