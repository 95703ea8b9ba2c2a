"""The report in all its forms: the JSON keeps its schema, Markdown and HTML say the same and let nothing out."""

from __future__ import annotations

import base64
import copy
import json
import re
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator, ValidationError

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.figures import ReportPicture
from fmnist_edge.benchmarks.harness import ModelResult
from fmnist_edge.benchmarks.html import render_html
from fmnist_edge.benchmarks.latency import WARM_UP_RUNS
from fmnist_edge.benchmarks.markdown import render_markdown
from fmnist_edge.benchmarks.report import build_report, write_report
from fmnist_edge.benchmarks.tables import as_markdown, class_table, confusion_table, models_table, verdicts
from fmnist_edge.dataset import LABELS, Split

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
HOSTILE = "<script>alert(1)</script>"
QUOTING = '" onerror="alert(1)" x="'
VOID = {"meta", "link", "img"}

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def picture(tmp_path: Path) -> ReportPicture:
    """A file that stands for a picture; how pictures look is not the subject here."""
    path = tmp_path / "a picture (1).png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    return ReportPicture(path, "what it shows")


def renamed(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of the report in which a model, a class, the machine and a package have this name."""
    changed = copy.deepcopy(report)
    changed["models"][1]["name"] = name
    changed["models"][1]["per_class"][0]["label"] = name
    changed["labels"][0] = name
    changed["machine"]["processor"] = name
    changed["versions"][name] = name
    return changed


# --- JSON ------------------------------------------------------------------------------------------------------------


def objects_of(schema: object, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of the schema that describes an object by its properties."""
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from objects_of(part, f"{path}[{index}]")
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield path, schema
        for key, part in schema.items():
            yield from objects_of(part, f"{path}.{key}")


def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


def test_reports_with_and_without_latency_keep_the_schema(
    session_report: dict[str, Any], plain_report: dict[str, Any], images: Split, results: list[ModelResult]
) -> None:
    for report in (session_report, plain_report, build_report(results[:1], images)):
        validator().validate(json.loads(json.dumps(report)))


def test_the_schema_describes_every_field_and_no_other() -> None:
    described = dict(objects_of(SCHEMA))
    assert len(described) == 9  # the report, dataset, machine, versions, method; model, class, comparison, latency
    for path, part in described.items():
        for name, field in part["properties"].items():
            assert len(field["description"]) >= 5, f"{path}.{name}"
        closed = part["additionalProperties"] is False or path == "$.properties.versions"
        assert closed, path
        optional = set(part["properties"]) - set(part["required"])
        expected = set(part["dependentRequired"]) if path == "$.properties.method" else set()
        assert optional == expected, path


def test_a_change_of_the_class_names_would_be_noticed(session_report: dict[str, Any]) -> None:
    assert session_report["labels"] == list(LABELS)
    for model in session_report["models"]:
        assert [scores["label"] for scores in model["per_class"]] == session_report["labels"]


FAULTS: dict[str, Change] = {
    "another version": lambda report: report.update(schema_version=2),
    "an unknown field": lambda report: report.update(extra=1),
    "no dataset": lambda report: report.pop("dataset"),
    "no models": lambda report: report.update(models=[]),
    "nine labels": lambda report: report["labels"].pop(),
    "a hash cut short": lambda report: report["dataset"].update(sha256="abc"),
    "another split": lambda report: report["dataset"].update(split="holdout"),
    "accuracy in percent": lambda report: report["models"][1].update(accuracy=91.36),
    "an interval with one end": lambda report: report["models"][1]["accuracy_ci95"].pop(),
    "an unknown format": lambda report: report["models"][1].update(format="pickle"),
    "an unknown recipe": lambda report: report["models"][1].update(recipe="int4"),
    "a matrix of nine rows": lambda report: report["models"][1]["confusion_matrix"].pop(),
    "a negative count": lambda report: report["models"][1]["confusion_matrix"][0].__setitem__(0, -1),
    "a count that is no whole number": lambda report: report["models"][1]["per_class"][0].update(tp=1.5),
    "a class without F1": lambda report: report["models"][1]["per_class"][0].pop("f1"),
    "nine classes": lambda report: report["models"][1]["per_class"].pop(),
    "a reference that is compared": lambda report: report["models"][0].update(
        comparison=report["models"][1]["comparison"]
    ),
    "a candidate that is not compared": lambda report: report["models"][1].update(comparison=None),
    "a comparison without p": lambda report: report["models"][1]["comparison"].pop("mcnemar_p"),
    "a drop of more than all": lambda report: report["models"][1]["comparison"].update(accuracy_drop=101),
    "a latency of zero": lambda report: report["models"][1]["latency_ms"].update(p50=0),
    "a latency without n": lambda report: report["models"][1]["latency_ms"].pop("n"),
    "memory as text": lambda report: report["models"][1].update(peak_rss_bytes="80 MiB"),
    "a machine without cores": lambda report: report["machine"].pop("cores"),
    "a version that is a number": lambda report: report["versions"].update(numpy=2.4),
    "no Python": lambda report: report["versions"].pop("python"),
    "half a method": lambda report: report["method"].pop("warm_up_runs"),
    "a method without threads": lambda report: report["method"].pop("threads"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_schema_notices(session_report: dict[str, Any], fault: str) -> None:
    changed = copy.deepcopy(session_report)
    FAULTS[fault](changed)
    assert changed != session_report
    with pytest.raises(ValidationError):
        validator().validate(changed)


def test_the_report_says_what_was_evaluated_and_how(
    session_report: dict[str, Any], plain_report: dict[str, Any], images: Split
) -> None:
    dataset = {"name": "Fashion-MNIST", "split": "test", "n": 1_000, "sha256": images.sha256}
    assert session_report["dataset"] == plain_report["dataset"] == dataset
    assert session_report["reference"] == session_report["models"][0]["name"] == "compact/model.keras"
    assert [model["n"] for model in session_report["models"]] == [1_000] * 4
    assert session_report["method"]["threads"] == 1
    assert session_report["method"]["warm_up_runs"] == WARM_UP_RUNS
    assert plain_report["method"].keys() == {"accuracy_interval", "drop_interval", "significance"}
    unmeasured = [
        model[key] for model in plain_report["models"] for key in ("latency_ms", "cold_start_ms", "peak_rss_bytes")
    ]
    assert unmeasured == [None] * 12


def test_the_figures_of_every_model_fit_together(session_report: dict[str, Any]) -> None:
    n = session_report["dataset"]["n"]
    reference = session_report["models"][0]
    for model in session_report["models"]:
        matrix = model["confusion_matrix"]
        assert sum(map(sum, matrix)) == n
        assert sum(matrix[index][index] for index in range(10)) == round(model["accuracy"] * n)
        for index, scores in enumerate(model["per_class"]):
            assert scores["tp"] == matrix[index][index]
            assert scores["tp"] + scores["fp"] + scores["tn"] + scores["fn"] == n
            assert scores["tp"] + scores["fn"] == sum(matrix[index])
    for model in session_report["models"][1:]:
        comparison = model["comparison"]
        assert comparison["reference"] == reference["name"]
        assert comparison["accuracy_drop"] == pytest.approx(100 * (reference["accuracy"] - model["accuracy"]))
        assert comparison["agreement"] == pytest.approx(1 - comparison["flips"] / n)
        assert comparison["lost"] + comparison["won"] <= comparison["flips"] == len(comparison["flipped"])
    by_recipe = {(model["recipe"], model["format"]): model["size_bytes"] for model in session_report["models"]}
    assert by_recipe["int8", "onnx"] < by_recipe["float32", "onnx"] / 2


def test_built_twice_from_the_same_results_it_is_the_same_but_for_the_load(
    measured: list[ModelResult], images: Split
) -> None:
    first, second = (build_report(measured, images, threads=1) for _ in range(2))
    for report in (first, second):
        assert report["machine"].pop("load_1min") >= 0
    assert first == second
    assert json.dumps(first) == json.dumps(second)


# --- files -----------------------------------------------------------------------------------------------------------


def test_everything_written_is_listed_and_nothing_else_is_left(plain_report: dict[str, Any], tmp_path: Path) -> None:
    report = {**plain_report, "models": plain_report["models"][:2]}
    folder = tmp_path / "new" / "report"
    written = write_report(report, folder)
    picture = "confusion-fmnist-compact-float32.onnx.png"
    assert [path.name for path in written] == ["report.json", picture, "report.md", "report.html"]
    assert sorted(written) == sorted(folder.iterdir())
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == report


def test_written_twice_all_files_are_the_same(
    session_report: dict[str, Any], report_folder: Path, tmp_path: Path
) -> None:
    again = write_report(session_report, tmp_path)
    assert sorted(path.name for path in again) == sorted(path.name for path in report_folder.iterdir())
    for path in again:
        assert path.read_bytes() == (report_folder / path.name).read_bytes(), path.name


def test_the_json_is_there_even_when_drawing_fails(
    plain_report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EdgeError, match="matplotlib is needed to draw the report"):
        write_report(plain_report, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_cannot_be_made_is_refused(plain_report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError, match=r"cannot make folder .*file"):
        write_report(plain_report, tmp_path / "file")


# --- Markdown --------------------------------------------------------------------------------------------------------


def test_the_markdown_has_every_verdict_table_and_picture(session_report: dict[str, Any], report_folder: Path) -> None:
    text = (report_folder / "report.md").read_text(encoding="utf-8")
    tables = [models_table(session_report)]
    for model in session_report["models"]:
        tables += [class_table(model), confusion_table(model, session_report["labels"])]
    assert len(tables) == 9
    for table in tables:
        assert f"\n\n{as_markdown(table)}\n\n" in text
        assert f"# {table.title}\n" in text
    for line in verdicts(session_report):
        assert f"- {line}\n" in text
    for section in ("method", "machine", "versions"):
        for key in session_report[section]:
            assert f"\n- {key}: " in text
    assert session_report["dataset"]["sha256"] in text
    targets = [unquote(target) for target in re.findall(r"^!\[[^\]]+\]\(([^)\s]+)\)$", text, re.MULTILINE)]
    assert sorted(targets) == sorted(path.name for path in report_folder.glob("*.png"))
    assert len(targets) == 5


def test_a_picture_whose_name_has_spaces_and_brackets_is_still_linked(
    plain_report: dict[str, Any], picture: ReportPicture
) -> None:
    text = render_markdown(plain_report, [picture])
    assert "\n![what it shows](a%20picture%20%281%29.png)\n" in text


def test_a_name_cannot_break_a_markdown_table(plain_report: dict[str, Any]) -> None:
    text = render_markdown(renamed(plain_report, "a|b\nc"), [])
    (row,) = [line for line in text.splitlines() if line.startswith("| a\\|b c") and "%" in line]
    header = next(line for line in text.splitlines() if line.startswith("| model"))
    assert row.replace("\\|", "").count("|") == header.count("|")


# --- HTML ------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, tables as text, and whether every tag is closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"th", "td"}:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] in {"th", "td"}:
            self.tables[-1][-1][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(report_folder: Path) -> Page:
    return Page((report_folder / "report.html").read_text(encoding="utf-8"))


def test_the_html_is_a_page_with_a_language_and_a_title(page: Page, report_folder: Path) -> None:
    assert (report_folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>\n")
    assert page.attributes("html") == [{"lang": "en"}]
    assert page.attributes("meta")[0] == {"charset": "utf-8"}
    assert len(page.attributes("title")) == len(page.attributes("h1")) == 1


def test_the_html_shows_the_same_tables_and_verdicts(page: Page, session_report: dict[str, Any]) -> None:
    tables = [models_table(session_report), *map(class_table, session_report["models"])]
    assert page.tables == [[list(row) for row in (table.header, *table.rows)] for table in tables]
    for line in verdicts(session_report):
        assert line in page.text


def test_the_html_holds_its_pictures_and_describes_them(page: Page, report_folder: Path) -> None:
    shown = page.attributes("img")
    assert len(shown) == 5
    for attributes in shown:
        assert attributes.keys() == {"alt", "src"}
        assert attributes["alt"]
    inside = {base64.b64decode((attributes["src"] or "").partition("base64,")[2]) for attributes in shown}
    assert inside == {path.read_bytes() for path in report_folder.glob("*.png")}


def test_the_html_asks_nothing_of_the_network_and_runs_nothing(page: Page, report_folder: Path) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "form", "base"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "href"} or (value or "").startswith("data:"), (tag, value)
    content = (report_folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", content, re.IGNORECASE)
    assert "url(" not in content
    assert "@import" not in content


@pytest.mark.parametrize("name", [HOSTILE, QUOTING, "&lt;b&gt;", "</style></table>", "<!--", "]]>"])
def test_no_name_becomes_markup(session_report: dict[str, Any], picture: ReportPicture, name: str) -> None:
    plain = Page(render_html(session_report, [picture]))
    shown = Page(render_html(renamed(session_report, name), [ReportPicture(picture.path, name)]))
    inserted = [tag for tag, _ in shown.tags]
    assert inserted.count("dt") == [tag for tag, _ in plain.tags].count("dt") + 1  # the version of the package
    assert set(inserted) == {tag for tag, _ in plain.tags}
    assert [row[0] for row in shown.tables[0]][2] == name
    assert shown.tables[2][1][0] == name
    assert shown.text.count(name) >= 5
    (attributes,) = shown.attributes("img")
    assert attributes.keys() == {"alt", "src"}
    assert attributes["alt"] == name


def test_a_whole_report_of_a_hostile_name_can_be_written(plain_report: dict[str, Any], tmp_path: Path) -> None:
    report = renamed({**plain_report, "models": plain_report["models"][:2]}, HOSTILE)
    written = write_report(report, tmp_path)
    assert len(written) == 4
    assert {path.parent for path in written} == {tmp_path}
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert Page(content).attributes("script") == []
