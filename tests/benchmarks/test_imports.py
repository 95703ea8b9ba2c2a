"""Measuring works where a model runs: without TensorFlow, and all but the pictures without matplotlib and scipy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fmnist_edge.benchmarks

FOLDER = Path(fmnist_edge.benchmarks.__file__).parent
NAMES = sorted(".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in FOLDER.rglob("[!_]*.py"))
DRAWING = {"pictures"}

EVALUATE = """
import json, sys
from pathlib import Path
for name in ("matplotlib", "scipy", "tensorflow", "keras"):
    sys.modules[name] = None
from fmnist_edge.benchmarks.gate import gate_failures
from fmnist_edge.benchmarks.harness import evaluate_models
from fmnist_edge.benchmarks.report import build_report
from fmnist_edge.benchmarks.tables import as_markdown, key_lines, models_table
from fmnist_edge.dataset import load_split
from fmnist_edge.runtime import open_runner
split = load_split("test").first(20)
report = build_report(evaluate_models([Path(path) for path in sys.argv[1:]], open_runner, split), split)
gate_failures(report, max_drop_points=0.5), key_lines(report), as_markdown(models_table(report))
print(report["models"][1]["n"])
"""


def run_fresh(code: str, *arguments: object) -> set[str]:
    """Run Python code in a fresh process and return the words that it printed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def imported_by(names: list[str]) -> set[str]:
    lines = [f"import fmnist_edge.benchmarks.{name}" for name in names]
    return run_fresh("\n".join([*lines, "import sys", "print(*sys.modules)"]))


def test_no_module_imports_tensorflow_or_pyplot() -> None:
    loaded = imported_by(NAMES)
    assert {"evaluation", "pictures", "boards.measure"} < set(NAMES)
    assert {f"fmnist_edge.benchmarks.{name}" for name in NAMES} <= loaded
    assert "matplotlib" in loaded
    assert not loaded & {"tensorflow", "keras", "ai_edge_litert", "matplotlib.pyplot"}


def test_only_the_pictures_import_matplotlib() -> None:
    loaded = imported_by([name for name in NAMES if name not in DRAWING])
    assert {name for name in NAMES if f"fmnist_edge.benchmarks.{name}" not in loaded} == DRAWING
    assert not loaded & {"matplotlib", "scipy"}


def test_models_are_evaluated_and_gated_without_matplotlib_scipy_or_tensorflow(exports: Path) -> None:
    models = [exports / f"fmnist-compact-{recipe}.onnx" for recipe in ("float32", "int8")]
    assert run_fresh(EVALUATE, *models) == {"20"}
