"""The report in all its forms: the JSON keeps its schema, Markdown and HTML say the same and let nothing out."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator, ValidationError

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.figures import ReportPicture
from fmnist_edge.benchmarks.harness import ModelResult
from fmnist_edge.benchmarks.markdown import render_markdown
from fmnist_edge.benchmarks.report import Margins, build_report, write_report
from fmnist_edge.benchmarks.tables import (
    as_markdown,
    change_table,
    class_table,
    confusion_table,
    models_table,
    recommendation_lines,
    verdicts,
)
from fmnist_edge.dataset import LABELS, Split

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def picture(tmp_path: Path) -> ReportPicture:
    """A file that stands for a picture; how pictures look is not the subject here."""
    path = tmp_path / "a picture (1).png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    return ReportPicture(path, "what it shows")


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
    assert len(described) == 26
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
    "another version": lambda report: report.update(schema_version=1),
    "an unknown field": lambda report: report.update(extra=1),
    "no dataset": lambda report: report.pop("dataset"),
    "no models": lambda report: report.update(models=[]),
    "nine labels": lambda report: report["labels"].pop(),
    "a hash cut short": lambda report: report["dataset"].update(sha256="abc"),
    "another split": lambda report: report["dataset"].update(split="holdout"),
    "accuracy in percent": lambda report: report["models"][1].update(accuracy=91.36),
    "an interval with one end": lambda report: report["models"][1]["accuracy_ci95"].pop(),
    "an unknown format": lambda report: report["models"][1].update(format="pickle"),
    "a recipe without a name": lambda report: report["models"][1].update(recipe=""),
    "no answers": lambda report: report["models"][1].update(answers=""),
    "a class beyond the ten": lambda report: report["models"][2]["comparison"]["flipped"][0].update(label=10),
    "a bin less": lambda report: report["models"][1]["calibration"]["bins"].pop(),
    "an unknown verdict": lambda report: report["models"][1]["comparison"].update(verdict="fine"),
    "a quantile less": lambda report: report["models"][1]["latency_ms"]["quantiles"].pop(),
    "a class change less": lambda report: report["models"][1]["comparison"]["classes"].pop(),
    "no choice": lambda report: report["recommendation"].update(choices=[]),
    "a choice without a reason": lambda report: report["recommendation"]["choices"][0].pop("why"),
    "a negative throughput": lambda report: report["models"][1]["images_per_second"].update(batch32=-1),
    "an epoch without a loss": lambda report: report["training"][0].pop("loss"),
    "conditions without an end": lambda report: report["conditions"].pop("after"),
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
    "half a method": lambda report: report["method"].pop("warm_up"),
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
    answers = "".join(map(str, images.labels))
    dataset = {"name": "Fashion-MNIST", "split": "test", "n": 1_000, "sha256": images.sha256, "answers": answers}
    assert session_report["dataset"] == plain_report["dataset"] == dataset
    assert session_report["reference"] == session_report["models"][0]["name"] == "compact/model.keras"
    assert [model["n"] for model in session_report["models"]] == [1_000] * 4
    assert (session_report["method"]["threads"], session_report["method"]["rounds"]) == (1, 5)
    assert set(session_report["method"]) - set(plain_report["method"]) == {
        *("threads", "batch", "clock", "rounds", "warm_up", "interleaving", "latency_interval", "throughput"),
        *("cold_start", "peak_rss"),
    }
    assert (plain_report["conditions"], plain_report["training"]) == (None, None)
    costs = ("latency_ms", "images_per_second", "sustained", "cold_start_ms", "peak_rss_bytes")
    assert [model[key] for model in plain_report["models"] for key in costs] == [None] * 20


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
        assert [model["answers"][at] == reference["answers"][at] for at in range(n)].count(False) == comparison["flips"]
    by_recipe = {(model["recipe"], model["format"]): model["size_bytes"] for model in session_report["models"]}
    assert by_recipe["int8", "onnx"] < by_recipe["float32", "onnx"] / 2


def test_built_twice_from_the_same_results_it_is_the_same(measured: list[ModelResult], images: Split) -> None:
    first, second = (build_report(measured, images) for _ in range(2))
    assert first == second
    assert json.dumps(first) == json.dumps(second)


def test_the_mistakes_are_those_of_the_shipped_model_and_really_wrong(
    session_report: dict[str, Any], images: Split
) -> None:
    drawn = session_report["misclassified"]
    (model,) = (entry for entry in session_report["models"] if entry["name"] == drawn["model"])
    assert drawn["model"] == (session_report["recommendation"]["choices"][0]["ship"] or session_report["reference"])
    assert drawn["of"] == round((1 - model["accuracy"]) * 1_000)
    assert len(drawn["images"]) == 24
    for entry in drawn["images"]:
        assert entry["answer"] == int(model["answers"][entry["image"]])
        assert entry["label"] == images.labels[entry["image"]] != entry["answer"]


@pytest.mark.parametrize("margin", [float("nan"), float("inf")])
def test_a_margin_that_is_no_number_is_refused(margin: float) -> None:
    for margins in ({"overall": margin}, {"of_a_class": margin}):
        with pytest.raises(EdgeError, match=f"unusable margin; expected a number of percentage points; got {margin}"):
            Margins(**margins)


# --- files -----------------------------------------------------------------------------------------------------------


def test_everything_written_is_listed_and_nothing_else_is_left(
    plain_report: dict[str, Any], images: Split, tmp_path: Path
) -> None:
    report = {**plain_report, "models": plain_report["models"][:2]}
    folder = tmp_path / "new" / "report"
    written = write_report(report, images, folder)
    pictures = ["accuracy-size.png", "reliability.png", "confusion-fmnist-compact-float32.onnx.png"]
    assert [path.name for path in written] == ["report.json", *pictures, "report.md", "report.html"]
    assert sorted(written) == sorted(folder.iterdir())
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == report


def test_written_twice_all_files_are_the_same(
    session_report: dict[str, Any], report_folder: Path, images: Split, tmp_path: Path
) -> None:
    again = write_report(session_report, images, tmp_path)
    assert sorted(path.name for path in again) == sorted(path.name for path in report_folder.iterdir())
    for path in again:
        assert path.read_bytes() == (report_folder / path.name).read_bytes(), path.name


def test_the_json_is_there_even_when_drawing_fails(
    plain_report: dict[str, Any], images: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EdgeError, match="matplotlib is needed to draw the report"):
        write_report(plain_report, images, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_cannot_be_made_is_refused(plain_report: dict[str, Any], images: Split, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError, match=r"cannot make folder .*file"):
        write_report(plain_report, images, tmp_path / "file")


# --- Markdown --------------------------------------------------------------------------------------------------------


def test_the_markdown_has_every_verdict_table_and_picture(session_report: dict[str, Any], report_folder: Path) -> None:
    text = (report_folder / "report.md").read_text(encoding="utf-8")
    tables = [models_table(session_report)]
    for model in session_report["models"]:
        tables += [class_table(model), confusion_table(model, session_report["labels"])]
        tables += [change_table(model)] if model["comparison"] else []
    assert len(tables) == 12
    for table in tables:
        assert f"\n\n{as_markdown(table)}\n\n" in text
        assert f"# {table.title}\n" in text
    for line in verdicts(session_report):
        assert f"- {line}\n" in text
    for line in recommendation_lines(session_report):
        assert f"- **{line[0].upper()}{line[1:]}**\n" in text
    for section in ("method", "machine", "versions"):
        for key in session_report[section]:
            assert f"\n- {key}: " in text
    assert session_report["dataset"]["sha256"] in text
    targets = [unquote(target) for target in re.findall(r"^!\[[^\]]+\]\(([^)\s]+)\)$", text, re.MULTILINE)]
    assert sorted(targets) == sorted(path.name for path in report_folder.glob("*.png"))
    assert len(targets) == 9


def test_a_disturbed_measurement_says_so_first_and_marks_its_times(session_report: dict[str, Any]) -> None:
    disturbed = copy.deepcopy(session_report)
    disturbed["conditions"]["disturbances"] = ["a cat sat on the board"]
    text = render_markdown(disturbed, [])
    warning = "**The machine was disturbed while it was timed: a cat sat on the board. Its times are marked with ~.**"
    assert text.index(warning) < text.index("## Models")
    table = models_table(disturbed)
    assert [row[table.header.index("p50 ms")][0] for row in table.rows] == ["—", "~", "~", "~"]
    disturbed["conditions"]["disturbances"] = []
    assert "~" not in as_markdown(models_table(disturbed))
    assert "The machine was disturbed while" not in render_markdown(disturbed, [])


def test_a_picture_whose_name_has_spaces_and_brackets_is_still_linked(
    plain_report: dict[str, Any], picture: ReportPicture
) -> None:
    text = render_markdown(plain_report, [picture])
    assert "\n![what it shows](a%20picture%20%281%29.png)\n" in text


def test_a_name_cannot_break_a_markdown_table(
    plain_report: dict[str, Any], renamed: Callable[[dict[str, Any], str], dict[str, Any]]
) -> None:
    text = render_markdown(renamed(plain_report, "a|b\nc"), [])
    (row,) = [line for line in text.splitlines() if line.startswith("| a\\|b c") and "%" in line]
    header = next(line for line in text.splitlines() if line.startswith("| model"))
    assert row.replace("\\|", "").count("|") == header.count("|")
