"""Two reports against each other: planted changes get the verdict they deserve, and noise gets none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks import latency
from fmnist_edge.benchmarks.latency import measure_latency
from fmnist_edge.benchmarks.regression import Limits, compare_reports, read_report, regression_table
from fmnist_edge.benchmarks.tables import as_markdown

Report = dict[str, Any]
Change = Callable[[Report], object]


class Machine:
    """A false clock, and a model that takes `median_ms` by it, more or less, as on a machine that others use too."""

    format = "onnx"
    classes = 10
    name = "model"

    def __init__(self, median_ms: float, seed: int) -> None:
        self.median_ms = median_ms
        self.random = np.random.default_rng(seed)
        self.now_ns = 0

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def infer(self, images: Any) -> Any:
        noise = self.random.normal(0, 0.03) + 0.2 * (self.random.random() < 0.05)
        self.now_ns += int(self.median_ms * 1e6 * np.exp(noise))

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def timed(report: Report, median_ms: float, seed: int, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Return a copy of the report in which the third model's latency was measured on a made-up machine."""
    changed = copy.deepcopy(report)
    machine = Machine(median_ms, seed)
    monkeypatch.setattr(latency, "time", machine)
    found = measure_latency({"model": machine}, np.zeros((5, 28, 28), np.uint8), rounds=50)["model"]
    changed["models"][2]["latency_ms"] = json.loads(json.dumps(asdict(found)))
    changed["conditions"]["disturbances"] = []
    return changed


def with_answers(report: Report, index: int, answers: str) -> Report:
    """Return a copy of the report in which a model gave these answers."""
    changed = copy.deepcopy(report)
    model, right = changed["models"][index], changed["dataset"]["answers"]
    model["answers"] = answers
    model["accuracy"] = sum(map(str.__eq__, answers, right)) / len(right)
    return changed


def test_a_report_is_no_regression_against_itself(session_report: Report) -> None:
    found = compare_reports(session_report, session_report, Limits(0.0, 0.0, 0.0, 0.0))
    assert found["failures"] == []
    assert (found["added"], found["removed"]) == ([], [])
    assert [model["name"] for model in found["models"]] == [model["name"] for model in session_report["models"]]
    for model in found["models"]:
        assert model["same_file"] is True
        assert (model["accuracy"]["verdict"], model["accuracy"]["flips"]) == ("same", 0)
        assert model["latency_ms"] is None or model["latency_ms"]["verdict"] == "within noise"
    assert json.loads(json.dumps(found)) == found


def test_a_model_slowed_down_by_a_fifth_is_found(session_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    old = timed(session_report, 1.0, 0, monkeypatch)
    new = timed(session_report, 1.2, 1, monkeypatch)
    found = compare_reports(old, new, Limits())
    slow = found["models"][2]["latency_ms"]
    assert slow["verdict"] == "slower"
    assert slow["ratio"] == pytest.approx(1.2, abs=0.01)
    assert slow["ratio_ci95"][0] < 1.2 < slow["ratio_ci95"][1]
    (failure,) = found["failures"]
    assert failure.startswith("fmnist-compact-int8.onnx is 20% slower (1.20")
    assert failure.endswith("over the limit of 10%")
    assert compare_reports(old, new, Limits(slowdown_percent=25))["failures"] == []
    back = compare_reports(new, old, Limits())
    assert back["models"][2]["latency_ms"]["verdict"] == "faster"
    assert back["failures"] == []


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_same_model_measured_again_is_within_noise(
    session_report: Report, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    old, new = (timed(session_report, 1.0, number, monkeypatch) for number in (0, seed))
    assert old["models"][2]["latency_ms"] != new["models"][2]["latency_ms"]
    found = compare_reports(old, new, Limits(slowdown_percent=0.0))
    assert found["models"][2]["latency_ms"]["verdict"] == "within noise"
    assert found["failures"] == []


def test_a_few_changed_answers_are_noise_and_many_a_regression(session_report: Report) -> None:
    right = session_report["dataset"]["answers"]
    answers = session_report["models"][2]["answers"]
    hits = [at for at, (given, true) in enumerate(zip(answers, right, strict=True)) if given == true]

    def spoilt(count: int) -> Report:
        changed = list(answers)
        for at in hits[:count]:
            changed[at] = str((int(changed[at]) + 1) % 10)
        return with_answers(session_report, 2, "".join(changed))

    few = compare_reports(session_report, spoilt(2), Limits(drop_points=1.0))
    assert few["models"][2]["accuracy"]["verdict"] == "within noise"
    assert few["models"][2]["accuracy"]["drop"] == pytest.approx(0.2)
    assert few["failures"] == []
    many = compare_reports(session_report, spoilt(30), Limits(drop_points=1.0))
    assert many["models"][2]["accuracy"]["verdict"] == "worse"
    (failure,) = many["failures"]
    assert failure.startswith("fmnist-compact-int8.onnx may have lost ")
    assert "points (+3.00 (" in failure
    assert failure.endswith("over the limit of 1")
    better = compare_reports(spoilt(30), session_report, Limits())
    assert better["models"][2]["accuracy"]["verdict"] == "better"
    assert better["failures"] == []


def test_a_class_that_pays_is_named(session_report: Report) -> None:
    right = session_report["dataset"]["answers"]
    changed = "".join("7" if true == "5" else given for given, true in zip(
        session_report["models"][2]["answers"], right, strict=True))  # fmt: skip
    new = with_answers(session_report, 2, changed)
    (failure,) = compare_reports(session_report, new, Limits(drop_points=None, class_drop_points=20))["failures"]
    assert failure.startswith("fmnist-compact-int8.onnx fails: Sandal loses ")
    assert compare_reports(session_report, new, Limits(drop_points=None))["failures"] == []


def test_a_larger_file_is_a_regression(session_report: Report) -> None:
    new = copy.deepcopy(session_report)
    new["models"][2].update(size_bytes=int(1.5 * new["models"][2]["size_bytes"]), sha256="0" * 64)
    found = compare_reports(session_report, new, Limits())
    (failure,) = found["failures"]
    assert failure.startswith("fmnist-compact-int8.onnx is 50% larger (")
    assert found["models"][2]["same_file"] is False
    assert compare_reports(session_report, new, Limits(growth_percent=None))["failures"] == []


def test_times_of_another_machine_are_not_compared(session_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = timed(session_report, 1.0, 0, monkeypatch), timed(session_report, 3.0, 0, monkeypatch)
    new["machine"]["processor"] = "another"
    found = compare_reports(old, new, Limits())
    assert found["notes"] == ["latency is not compared: another machine (processor)"]
    assert found["models"][2]["latency_ms"] is None
    assert found["failures"] == []
    new["machine"]["processor"] = old["machine"]["processor"]
    new["method"]["threads"] = 2
    assert compare_reports(old, new, Limits())["notes"] == ["latency is not compared: another number of threads"]


def test_a_disturbed_report_is_named(session_report: Report) -> None:
    old, new = copy.deepcopy(session_report), copy.deepcopy(session_report)
    old["conditions"]["disturbances"], new["conditions"]["disturbances"] = [], ["a cat", "a dog"]
    assert compare_reports(old, new, Limits())["notes"] == ["the new report was disturbed: a cat; a dog"]


def test_models_of_one_report_alone_are_named(session_report: Report) -> None:
    old, new = copy.deepcopy(session_report), copy.deepcopy(session_report)
    del old["models"][1]
    del new["models"][2]
    found = compare_reports(old, new, Limits())
    assert found["added"] == ["fmnist-compact-float32.onnx"]
    assert found["removed"] == ["fmnist-compact-int8.onnx"]
    assert [model["name"] for model in found["models"]] == ["compact/model.keras", "fmnist-compact-int8.tflite"]


def test_reports_without_latency_are_compared_by_their_answers(plain_report: Report) -> None:
    found = compare_reports(plain_report, plain_report, Limits())
    assert [model["latency_ms"] for model in found["models"]] == [None] * 4


def test_few_rounds_have_no_interval_and_are_judged_by_their_medians(session_report: Report) -> None:
    old, new = copy.deepcopy(session_report), copy.deepcopy(session_report)
    for report, p50 in ((old, 1.0), (new, 1.3)):
        report["models"][2]["latency_ms"].update(p50=p50, p50_ci95=None)
    found = compare_reports(old, new, Limits())
    assert found["models"][2]["latency_ms"]["verdict"] == "slower"
    assert found["models"][2]["latency_ms"]["ratio_ci95"] is None
    assert len(found["failures"]) == 1


def test_the_table_has_a_row_for_every_model(session_report: Report, plain_report: Report) -> None:
    table = regression_table(compare_reports(session_report, session_report, Limits()))
    assert [row[0] for row in table.rows] == [model["name"] for model in session_report["models"]]
    assert [row[5] for row in table.rows] == ["not compared", *["1.00, within noise"] * 3]
    assert all("+0.00" in row[2] and row[2].endswith("same") for row in table.rows)
    assert as_markdown(table).count("\n") == 5


# --- bad input -------------------------------------------------------------------------------------------------------


def damage_reports() -> dict[str, tuple[Change, str]]:
    return {
        "other images": (
            lambda report: report["dataset"].update(sha256="0" * 64),
            "the reports are about other images; expected test, SHA-256 .*; got test, SHA-256 00000000…",
        ),
        "another split": (lambda report: report["dataset"].update(split="validation"), "about other images"),
        "other models": (
            lambda report: [model.update(name=f"other {model['name']}") for model in report["models"]],
            "no model in common; expected compact/model.keras, .*; got other compact/model.keras, ",
        ),
        "no models": (lambda report: report.update(models=[]), "no model in common"),
        "no answers": (lambda report: report["models"][1].pop("answers"), "a report is damaged; .*got no answers"),
        "models of another kind": (
            lambda report: report.update(models=7),
            "a report is damaged; .*got unusable models",
        ),
        "no size": (lambda report: report["models"][1].update(size_bytes=None), "a report is damaged"),
        "another number of answers": (lambda report: report["models"][1].update(answers="1"), "got unusable answers"),
        "answers that are no digits": (lambda report: report["models"][1].update(answers="é"), "got unusable answers"),
        "a model that is none": (lambda report: report["models"].append(1), "got unusable models"),
        "a name that a terminal obeys": (
            lambda report: report["models"][1].update(name="\x1b[2J"),
            "got unusable name",
        ),
        "an accuracy above 1": (lambda report: report["models"][1].update(accuracy=10**400), "got unusable accuracy"),
        "an empty file": (lambda report: report["models"][1].update(size_bytes=0), "got unusable size_bytes"),
        "no time": (lambda report: report["models"][1].update(latency_ms={"p50": 0}), "got unusable latency_ms"),
        "half an interval": (
            lambda report: report["models"][1].update(latency_ms={"p50": 1, "p50_ci95": [1]}),
            "got unusable latency_ms",
        ),
        "disturbances that are no texts": (
            lambda report: report.update(conditions={"disturbances": [1]}),
            "got unusable conditions",
        ),
        "more classes than digits": (lambda report: report["labels"].append("Hat"), "got unusable labels"),
        "fewer classes than answers": (lambda report: report["labels"].pop(), "got unusable answers"),
        "nothing of the machine": (lambda report: report["machine"].clear(), "a report is damaged; .*got KeyError"),
    }


@pytest.mark.parametrize("fault", damage_reports())
def test_what_cannot_be_compared_is_refused(session_report: Report, fault: str) -> None:
    change, says = damage_reports()[fault]
    new = copy.deepcopy(session_report)
    change(new)
    with pytest.raises(EdgeError, match=says):
        compare_reports(session_report, new, Limits())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", r"cannot read .*report\.json; expected a JSON file"),
        ("[]", r"cannot use .*report\.json; expected a report\.json; got something else"),
        ("{}", r"cannot use .*report\.json; expected a report\.json; got something else"),
        ('{"schema_version": 1}', "expected schema version 2; got 1; next: run fmnist-edge benchmark again"),
        ('{"schema_version": "2"}', "expected schema version 2; got '2'"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "report.json").write_text(content)
    for path in (tmp_path, tmp_path / "report.json"):
        with pytest.raises(EdgeError, match=says):
            read_report(path)


def test_a_report_is_read_by_its_folder_too(report_folder: Path, session_report: Report) -> None:
    assert read_report(report_folder) == read_report(report_folder / "report.json") == session_report


def test_a_missing_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none\.json"):
        read_report(tmp_path / "none.json")


@pytest.mark.parametrize("limit", [float("nan"), float("inf")])
def test_a_limit_that_is_no_number_is_refused(limit: float) -> None:
    with pytest.raises(EdgeError, match=f"unusable limit; expected a number for slowdown_percent; got {limit}"):
        Limits(slowdown_percent=limit)
