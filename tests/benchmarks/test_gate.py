"""The gate finds what is planted, lets pass what is the same, and cannot be passed by having nothing to judge."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.benchmarks.comparison import paired_interval
from fmnist_edge.benchmarks.gate import class_failure, gate_failures
from fmnist_edge.benchmarks.harness import evaluate_models
from fmnist_edge.benchmarks.report import Margins, build_report
from fmnist_edge.benchmarks.tables import verdicts
from fmnist_edge.dataset import Split
from fmnist_edge.runtime.runner import OnnxRunner

Probabilities = npt.NDArray[np.float32]
LIMIT = 0.5


def unchanged(probabilities: Probabilities, random: np.random.Generator) -> Probabilities:
    return probabilities


def two_classes_swapped(probabilities: Probabilities, random: np.random.Generator) -> Probabilities:
    """Say sandal for sneaker and sneaker for sandal, as an exporter would that mixes up two rows of a matrix."""
    return probabilities[:, [0, 1, 2, 3, 4, 7, 6, 5, 8, 9]]


def five_percent_random(probabilities: Probabilities, random: np.random.Generator) -> Probabilities:
    """Answer one image in twenty without looking."""
    blind = random.random(len(probabilities)) < 0.05
    answers = np.eye(10, dtype=np.float32)[random.integers(0, 10, len(probabilities))]
    return np.where(blind[:, np.newaxis], answers, probabilities)


FAULTS: dict[str, Callable[[Probabilities, np.random.Generator], Probabilities]] = {
    "reference.onnx": unchanged,
    "same.onnx": unchanged,
    "swapped.onnx": two_classes_swapped,
    "random.onnx": five_percent_random,
}


class FaultyRunner(OnnxRunner):
    """A real model whose answers are spoilt by the fault that its file is named after."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._random = np.random.default_rng(0)

    def _infer(self, images: npt.NDArray[np.uint8]) -> Probabilities:
        return FAULTS[self.path.name](super()._infer(images), self._random)


@pytest.fixture(scope="module")
def faulty_report(int8_onnx: Path, images: Split, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A real model against itself: once the same, and once with each planted fault."""
    folder = tmp_path_factory.mktemp("faulty")
    for name in FAULTS:
        os.link(int8_onnx, folder / name)
    results = evaluate_models([folder / name for name in FAULTS], FaultyRunner, images)
    return build_report(results, images, margins=Margins(overall=LIMIT))


def report_of(*counts: tuple[int, int, int]) -> dict[str, Any]:
    """Return what the gate reads of a report: a reference, and a candidate for each (lost, won, n)."""
    models: list[dict[str, Any]] = [{"name": "reference", "comparison": None}]
    for index, (lost, won, n) in enumerate(counts):
        edges = list(paired_interval(lost, won, n))
        comparison = {"accuracy_drop": 100 * (lost - won) / n, "accuracy_drop_ci95": edges}
        models.append({"name": f"candidate {index}", "comparison": comparison})
    return {"models": models}


def test_planted_faults_fail_and_the_same_model_passes(faulty_report: dict[str, Any]) -> None:
    failures = gate_failures(faulty_report, max_drop_points=LIMIT)
    assert [line.split()[0] for line in failures] == ["swapped.onnx", "random.onnx"]


def test_the_verdicts_say_so_too(faulty_report: dict[str, Any]) -> None:
    _, same, swapped, random = verdicts(faulty_report)
    assert same.startswith("same.onnx is as good as the reference within 0.5 points: its drop is +0.00")
    assert "100.00% of the images alike (0 differ, 0 for the worse, 0 for the better)" in same
    assert swapped.startswith("swapped.onnx is worse than the reference by more than 0.5 points")
    assert random.startswith("random.onnx is worse than the reference by more than 0.5 points")
    assert [model["comparison"]["verdict"] for model in faulty_report["models"][1:]] == ["as good", "worse", "worse"]


def test_what_is_broken_is_not_recommended(faulty_report: dict[str, Any]) -> None:
    recommendation = faulty_report["recommendation"]
    assert [entry["name"] for entry in recommendation["refused"]] == ["swapped.onnx", "random.onnx"]
    assert recommendation["choices"][0]["ship"] in {"reference.onnx", "same.onnx"}


def test_the_gate_of_classes_names_those_that_pay(faulty_report: dict[str, Any]) -> None:
    (swapped,) = gate_failures(faulty_report, max_class_drop_points=20)
    assert swapped.startswith("swapped.onnx fails: ")
    for words in ("Sandal loses", "Sneaker loses", "may lose", "the limit of a class is 20"):
        assert words in swapped
    assert "Bag" not in swapped


def test_both_limits_are_held_and_none_is_no_gate(faulty_report: dict[str, Any]) -> None:
    assert gate_failures(faulty_report) == []
    both = gate_failures(faulty_report, max_drop_points=LIMIT, max_class_drop_points=20)
    assert [line.split()[0] for line in both] == ["swapped.onnx", "swapped.onnx", "random.onnx"]


def test_the_upper_end_of_the_interval_decides_for_a_class_too() -> None:
    change = {"label": "Bag", "recall_drop": 0.0, "recall_drop_ci95": [-2.0, 2.0]}
    nothing = {"label": "Coat", "recall_drop": 0.0, "recall_drop_ci95": None}
    assert class_failure("a", [change, nothing], 2.0) is None
    assert class_failure("a", [change, nothing], 1.9) == (
        "a fails: Bag loses 0.0 points and may lose 2.0; the limit of a class is 1.9"
    )


def test_the_figures_show_where_the_fault_is(faulty_report: dict[str, Any]) -> None:
    reference, same, swapped, random = faulty_report["models"]
    assert same["confusion_matrix"] == reference["confusion_matrix"]
    recalls = [
        {scores["label"]: scores["recall"] for scores in model["per_class"]} for model in (reference, swapped, random)
    ]
    before, after, blind = recalls
    changed = {label for label in before if before[label] != after[label]}
    assert changed == {"Sandal", "Sneaker"}
    assert max(after["Sandal"], after["Sneaker"]) < 0.5 < min(before["Sandal"], before["Sneaker"])
    assert sum(blind[label] < before[label] for label in before) >= 7  # a blind answer spares no class
    assert swapped["comparison"]["mcnemar_p"] < 1e-9
    assert random["comparison"]["mcnemar_p"] < 1e-3
    assert 20 <= random["comparison"]["flips"] <= 75  # of 50 blind answers, on average, 5 hit the same class


@pytest.mark.parametrize(
    ("lost", "won", "n", "passes"),
    [
        (0, 0, 10_000, True),
        (46, 33, 10_000, True),  # may reach 0.31
        (70, 35, 10_000, False),  # the drop is within the limit, its interval is not
        (0, 0, 500, False),  # with few images, not even no drop proves much
        (0, 100, 10_000, True),  # better
        (200, 0, 10_000, False),
    ],
)
def test_the_upper_end_of_the_interval_decides(lost: int, won: int, n: int, *, passes: bool) -> None:
    assert (gate_failures(report_of((lost, won, n)), max_drop_points=LIMIT) == []) is passes


def test_a_drop_exactly_at_the_limit_passes() -> None:
    report = report_of((46, 33, 10_000))
    high = report["models"][1]["comparison"]["accuracy_drop_ci95"][1]
    assert gate_failures(report, max_drop_points=high) == []
    assert len(gate_failures(report, max_drop_points=np.nextafter(high, 0))) == 1


def test_a_negative_limit_demands_an_improvement() -> None:
    report = report_of((0, 0, 10_000), (0, 100, 10_000))
    assert [line.split(" fails")[0] for line in gate_failures(report, max_drop_points=-0.5)] == ["candidate 0"]


def test_a_failure_says_which_by_how_much_and_how_sure() -> None:
    (line,) = gate_failures(report_of((46, 33, 10_000), (120, 20, 10_000)), max_drop_points=LIMIT)
    assert line == (
        "candidate 1 fails: its drop of +1.00 (+0.77 to +1.23) points may reach 1.23, "
        "which is 0.73 over the limit of 0.5"
    )


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), float("-inf")])
def test_a_limit_that_is_no_number_is_refused(limit: float) -> None:
    with pytest.raises(EdgeError, match=f"unusable limit; expected a number of percentage points; got {limit}$"):
        gate_failures(report_of((200, 0, 10_000)), max_drop_points=limit)
    with pytest.raises(EdgeError, match="unusable limit"):
        class_failure("a", [], limit)


def test_a_gate_with_nothing_to_judge_is_refused() -> None:
    with pytest.raises(
        EdgeError, match="nothing to hold against the limit; expected a candidate besides the reference; got none"
    ):
        gate_failures(report_of(), max_drop_points=LIMIT)
