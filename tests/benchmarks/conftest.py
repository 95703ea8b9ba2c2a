"""Shared by the tests of benchmarks: the small training and three of its exports, evaluated and measured once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.benchmarks.harness import ModelResult, evaluate_models
from fmnist_edge.benchmarks.measuring import Measured, MeasureOptions, measure_models
from fmnist_edge.benchmarks.report import build_report, write_report
from fmnist_edge.dataset import Split
from fmnist_edge.runtime import Runner, open_runner

OPTIONS = MeasureOptions(threads=1, rounds=5, sustained_s=0.2)
EPOCHS = [
    {"epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 1 / epoch, "val_loss": 0.5, "val_accuracy": 0.5, "seconds": 2.0}
    for epoch in (1, 2, 3)
]


def open_any(path: Path) -> Runner:
    """Open a .keras file with TensorFlow, and anything else with the runtime."""
    if path.suffix != ".keras":
        return open_runner(path)
    from fmnist_edge.train.keras_model import KerasRunner

    return KerasRunner.open(path)


@pytest.fixture(scope="session")
def images(test_split: Split) -> Split:
    """The first 1,000 real test images."""
    return test_split.first(1_000)


@pytest.fixture(scope="session")
def model_paths(compact_run: Path, exports: Path) -> list[Path]:
    """The float reference, its float32 export, and int8 in both formats."""
    names = ("fmnist-compact-float32.onnx", "fmnist-compact-int8.onnx", "fmnist-compact-int8.tflite")
    return [compact_run / "model.keras", *(exports / name for name in names)]


@pytest.fixture(scope="session")
def results(model_paths: list[Path], images: Split) -> list[ModelResult]:
    """The four models, evaluated but not measured."""
    return evaluate_models(model_paths, open_any, images)


@pytest.fixture(scope="session")
def measurement(results: list[ModelResult], model_paths: list[Path], images: Split) -> Measured:
    """The four models, evaluated and measured, with what the machine was like."""
    return measure_models(results, model_paths, images, OPTIONS)


@pytest.fixture(scope="session")
def measured(measurement: Measured) -> list[ModelResult]:
    """The four models, evaluated and measured."""
    return list(measurement.results)


@pytest.fixture(scope="session")
def session_report(measurement: Measured, images: Split) -> dict[str, Any]:
    """The report of the four models with latency; read it, do not change it."""
    return build_report(
        measurement.results, images, options=OPTIONS, conditions=measurement.conditions, training=EPOCHS
    )


@pytest.fixture(scope="session")
def plain_report(results: list[ModelResult], images: Split) -> dict[str, Any]:
    """The report of the four models without latency; read it, do not change it."""
    return build_report(results, images)


@pytest.fixture(scope="session")
def report_folder(session_report: dict[str, Any], images: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report in all its forms."""
    folder = tmp_path_factory.mktemp("written") / "report"
    write_report(session_report, images, folder)
    return folder


@pytest.fixture(scope="session")
def renamed() -> Callable[[dict[str, Any], str], dict[str, Any]]:
    """Return a copy of a report in which a model, a class, the machine, a package and a reason have this name."""

    def rename(report: dict[str, Any], name: str) -> dict[str, Any]:
        changed = copy.deepcopy(report)
        changed["models"][1]["name"] = name
        changed["models"][1]["per_class"][0]["label"] = name
        changed["labels"][0] = name
        changed["machine"]["processor"] = name
        changed["versions"][name] = name
        changed["recommendation"]["choices"][0]["why"] = name
        return changed

    return rename
