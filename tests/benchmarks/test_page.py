"""The page: what it says, that nothing becomes markup, and how a real Chromium shows it."""

from __future__ import annotations

import base64
import copy
import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fmnist_edge.benchmarks.figures import Drawing
from fmnist_edge.benchmarks.harness import ModelResult
from fmnist_edge.benchmarks.page.document import render_page
from fmnist_edge.benchmarks.page.gallery import MOST_IMAGES
from fmnist_edge.benchmarks.page.markup import grey_png, tag
from fmnist_edge.benchmarks.report import build_report, write_report
from fmnist_edge.benchmarks.tables import models_table, verdicts
from fmnist_edge.dataset import Split

from .browser import CHROMIUM, MISSING, Browser

HOSTILE = "<script>alert(1)</script>"
QUOTING = '" onerror="alert(1)" x="'
VOID = {"meta", "link", "img"}
WIDTHS = (360, 1400)
Rename = Callable[[dict[str, Any], str], dict[str, Any]]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, texts, and the cells of every table."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self.in_svg = 0
        self.feed(content)
        assert self.open == [], "a tag was not closed"

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attributes)))
        self.in_svg += name == "svg"
        if name not in VOID:
            self.open.append(name)
        if name == "table":
            self.tables.append([])
        elif name == "tr":
            self.tables[-1].append([])
        elif name in {"th", "td"}:
            self.tables[-1][-1].append("")

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attributes)))
        assert self.in_svg, "only SVG closes a tag in itself"

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name
        self.in_svg -= name == "svg"

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if {"th", "td"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def attributes(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag_name, attributes in self.tags if tag_name == name]


@pytest.fixture(scope="module")
def html(report_folder: Path) -> str:
    return (report_folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


# --- what it says ----------------------------------------------------------------------------------------------------


def test_it_is_a_page_with_a_language_and_a_title(page: Page, html: str) -> None:
    assert html.startswith("<!doctype html>\n")
    assert page.attributes("html") == [{"lang": "en"}]
    assert page.attributes("meta")[0] == {"charset": "utf-8"}
    assert len(page.attributes("title")) == len(page.attributes("h1")) == len(page.attributes("main")) == 1


def test_the_verdict_stands_first(page: Page, session_report: dict[str, Any]) -> None:
    (choice,) = session_report["recommendation"]["choices"]
    assert choice["why"] in page.text
    for line in verdicts(session_report):
        assert line in page.text
    assert page.text.index(choice["why"]) < page.text.index(verdicts(session_report)[1]) < page.text.index("accuracy")


def test_every_model_is_in_the_table_with_its_number(page: Page, session_report: dict[str, Any]) -> None:
    shown = models_table(session_report)
    expected = [[f"{number}  {row[0]}", *row[1:]] for number, row in enumerate(shown.rows, start=1)]
    assert page.tables[0] == [list(shown.header), *expected]


def test_the_matrices_hold_every_count(page: Page, session_report: dict[str, Any]) -> None:
    reference, *candidates = session_report["models"]
    matrices = [table for table in page.tables if table[0][0] == "true \\ said"]
    assert len(matrices) == 3 * len(candidates)
    for index, model in enumerate(candidates):
        before, after, difference = (
            [[int(cell) for cell in row[1:]] for row in table[1:]] for table in matrices[3 * index : 3 * index + 3]
        )
        assert before == reference["confusion_matrix"]
        assert after == model["confusion_matrix"]
        assert np.array_equal(np.array(difference), np.array(after) - np.array(before))


def images_in(content: str) -> dict[str, bytes]:
    """Return the images of a page by their alternative text."""
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', content)
    return {alt: base64.b64decode(data) for data, alt in found}


def test_every_flipped_image_is_shown_with_both_answers(
    html: str, session_report: dict[str, Any], images: Split, tmp_path: Path
) -> None:
    shown, labels = images_in(html), session_report["labels"]
    flipped = [change for model in session_report["models"][1:] for change in model["comparison"]["flipped"]]
    assert flipped
    for change in flipped:
        content = shown[f"Test image {change['image']}, {labels[change['label']]}"]
        (tmp_path / "a.png").write_bytes(content)
        with Image.open(tmp_path / "a.png") as image:
            assert np.array_equal(np.asarray(image), images.images[change["image"]])
        card = re.search(rf'<span class="lead"> #{change["image"]}</span>.*?</li>', html, re.DOTALL)
        assert card is not None
        before = f"{labels[change['reference']]}: reference {change['reference_probability']:.0%}"
        assert before in card[0]
        assert f"<strong>{labels[change['candidate']]}</strong>" in card[0]
        assert f"{change['candidate_probability']:.0%}" in card[0]


def test_a_broken_model_does_not_make_the_page_endless(session_report: dict[str, Any], test_split: Split) -> None:
    report = copy.deepcopy(session_report)
    change = report["models"][1]["comparison"]["probability_change"]["largest"][0]
    report["models"][1]["comparison"]["flipped"] = [{**change, "image": at} for at in range(5_000)]
    content = render_page(report, test_split, [])
    assert content.count("<img ") == MOST_IMAGES + 24
    assert f"Shown are the {MOST_IMAGES} whose probabilities moved most; all are in report.json." in content
    assert len(content) < 3_000_000


def test_a_hundred_flipped_images_take_less_than_3_megabytes(
    session_report: dict[str, Any], test_split: Split, tmp_path: Path
) -> None:
    report = copy.deepcopy(session_report)
    for model in report["models"][1:]:
        change = model["comparison"]["probability_change"]["largest"][0]
        model["comparison"]["flipped"] = [{**change, "image": at} for at in range(100)]
    written = write_report(report, test_split, tmp_path)
    assert written[-1].name == "report.html"
    assert written[-1].stat().st_size < 3_000_000
    assert written[-1].read_text(encoding="utf-8").count("<img ") == 124


def test_one_model_alone_has_a_page(results: list[ModelResult], images: Split) -> None:
    shown = Page(render_page(build_report(results[:1], images), images, []))
    assert "No candidate answers any image otherwise" in shown.text
    assert "Speed" not in shown.text
    assert "Training" not in shown.text


# --- nothing becomes markup, nothing leaves --------------------------------------------------------------------------


def test_it_asks_nothing_of_the_network_and_runs_nothing(page: Page, html: str) -> None:
    for name, attributes in page.tags:
        assert name not in {"script", "iframe", "object", "embed", "form", "base"}
        for key, value in attributes.items():
            assert not key.startswith("on")
            inside = (value or "").startswith(("data:", "#"))
            assert key not in {"src", "href"} or inside, (name, value)
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", html, re.IGNORECASE)
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    policies = [attributes["content"] for attributes in page.attributes("meta") if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


@pytest.mark.parametrize("name", [HOSTILE, QUOTING, "&lt;b&gt;", "</style></table>", "<!--", "]]>"])
def test_no_name_becomes_markup(session_report: dict[str, Any], images: Split, renamed: Rename, name: str) -> None:
    drawing = Drawing("latency", "a picture", "what it shows", "<svg></svg>", b"")
    hostile = Drawing("latency", name, name, "<svg></svg>", b"")
    plain = Page(render_page(session_report, images, [drawing]))
    shown = Page(render_page(renamed(session_report, name), images, [hostile]))
    inserted = [tag_name for tag_name, _ in shown.tags]
    assert set(inserted) == {tag_name for tag_name, _ in plain.tags}
    assert inserted.count("dt") == [tag_name for tag_name, _ in plain.tags].count("dt") + 1  # the package's version
    assert shown.tables[0][2][0] == f"2  {name}"
    assert shown.text.count(name) >= 8
    keys = {key for _, attributes in shown.tags for key in attributes}
    assert keys == {key for _, attributes in plain.tags for key in attributes}


def test_markup_escapes_all_that_it_did_not_make() -> None:
    made = tag("p", HOSTILE, [tag("b", "x & y")], title=QUOTING, hidden=True, lang=None)
    assert made == (
        '<p title="&quot; onerror=&quot;alert(1)&quot; x=&quot;" hidden>'
        "&lt;script&gt;alert(1)&lt;/script&gt;<b>x &amp; y</b></p>"
    )


def test_a_png_is_what_it_was_made_of(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(grey_png(pixels))
    with Image.open(path) as image:
        image.verify()
    with Image.open(path) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), pixels)
    assert zlib.crc32(b"IEND").to_bytes(4, "big") == grey_png(pixels)[-4:]


# --- in a real browser -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


WIDE_ELEMENTS = """
[...document.querySelectorAll('body *')].filter(e => {
  if (e.closest('.scroll') || e.closest('svg') || e.closest('.skip')) return false;
  const box = e.getBoundingClientRect();
  return box.width && (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5);
}).map(e => e.tagName + '.' + e.className)
"""


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_says_nothing_on_the_console_and_asks_for_nothing(
    browser: Browser, report_folder: Path, width: int, *, dark: bool
) -> None:
    visit = browser.open(report_folder / "report.html", width=width, dark=dark)
    assert visit.requests == []
    assert visit.messages == []
    assert browser.evaluate("document.title") == "fmnist-edge report"
    assert browser.evaluate("innerWidth") == width
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(WIDE_ELEMENTS) == []
    assert browser.evaluate("[...document.images].every(e => e.complete && e.naturalWidth === 28)") is True


@needs_chromium
def test_a_request_and_a_message_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<meta name="viewport" content="width=device-width"><img src="missing.png">'
        '<div style="width:500px">x</div><script>console.log("hi")</script>'
    )
    visit = browser.open(bad, width=360)
    assert visit.requests == [(tmp_path / "missing.png").as_uri()]
    assert any("hi" in message for message in visit.messages)
    assert "DIV." in browser.evaluate(WIDE_ELEMENTS)


@needs_chromium
def test_the_wide_page_needs_no_scrolling_table(browser: Browser, report_folder: Path) -> None:
    browser.open(report_folder / "report.html", width=1400)
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"
    ) == []  # fmt: skip


CONTRASTS = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const mix = layers => {
    canvas.fillStyle = '#fff'; canvas.fillRect(0, 0, 1, 1);
    for (const colour of layers) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [];
  const texts = 'p, li, td, th, dt, dd, a, h1, h2, h3, summary, figcaption, caption, span';
  for (const e of document.querySelectorAll(texts)) {
    if (e.closest('.skip') || !e.innerText || !e.getClientRects().length) continue;
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    const [below, above] = [light(mix(layers)), light(mix([...layers, getComputedStyle(e).color]))];
    const ratio = (Math.max(below, above) + 0.05) / (Math.min(below, above) + 0.05);
    if (ratio < %s) faint.push([e.tagName, e.className, e.innerText.slice(0, 30), ratio]);
  }
  return faint;
})()
"""


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Browser, report_folder: Path, *, dark: bool) -> None:
    """Source: W3C, WCAG 2.2, criterion 1.4.3: 4.5 to 1; the zeros of a matrix are meant to stand back, 3 to 1."""
    browser.open(report_folder / "report.html", dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    faint = browser.evaluate(CONTRASTS % "4.5")
    assert [entry for entry in faint if "zero" not in entry[1] and entry[2] != "0"] == []
    assert browser.evaluate(CONTRASTS % "3.0") == []
    white = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert white is not dark


@needs_chromium
def test_a_screen_reader_finds_names_headings_and_landmarks(browser: Browser, report_folder: Path) -> None:
    browser.open(report_folder / "report.html")
    nodes = [node for node in browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = [role for role, _ in named]
    assert [roles.count(role) for role in ("main", "navigation", "banner")] == [1, 1, 1]
    for role, name in named:
        assert name or role not in {"image", "img", "heading", "link", "table", "region", "columnheader", "rowheader"}
    levels = browser.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert browser.evaluate("[...document.querySelectorAll('th')].every(e => e.scope)") is True
    assert browser.evaluate("[...document.querySelectorAll('table')].every(e => e.caption?.textContent)") is True
    identities = browser.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(identities) == len(set(identities))
    assert (
        browser.evaluate("[...document.querySelectorAll('nav a')].every(e => document.querySelector(e.hash))") is True
    )


@needs_chromium
def test_the_keyboard_reaches_everything_that_opens_or_scrolls(browser: Browser, report_folder: Path) -> None:
    browser.open(report_folder / "report.html", width=360)
    reached: list[str] = []
    for _ in range(120):
        browser.press("Tab", 9)
        name = browser.evaluate("document.activeElement.tagName + ' ' + (document.activeElement.className || '')")
        reached.append(name.strip())
        if name.startswith("BODY"):
            break
    assert reached[0] == "A skip"
    expected = browser.evaluate(
        "[...document.querySelectorAll('a, summary, .scroll')]"
        ".filter(e => e.checkVisibility()).map(e => (e.tagName + ' ' + e.className).trim())"
    )
    assert [name for name in reached if not name.startswith("BODY")] == expected


@needs_chromium
def test_it_prints_on_white_paper(browser: Browser, report_folder: Path) -> None:
    browser.open(report_folder / "report.html", dark=True)
    content = browser.pdf()
    assert content.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type /Page\b", content)) <= 40
    browser.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.call("Emulation.setEmulatedMedia", media="")


@needs_chromium
def test_a_hostile_report_runs_nothing(
    browser: Browser, session_report: dict[str, Any], images: Split, renamed: Rename, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_page(renamed(session_report, HOSTILE + QUOTING), images, []), encoding="utf-8")
    visit = browser.open(path, width=360)
    assert (visit.requests, visit.messages) == ([], [])
    assert browser.evaluate("document.scripts.length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
