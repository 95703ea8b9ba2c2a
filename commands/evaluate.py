"""The command `evaluate`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..common.progress import ConsoleProgress
from .shared import DataDir, fail

if TYPE_CHECKING:
    from ..benchmarks.harness import ModelResult
    from ..runtime.runner import Runner


def evaluate(
    reference: Annotated[Path, typer.Argument(help="The model to compare with: a .keras file or run folder, usually.")],
    candidates: Annotated[list[Path] | None, typer.Argument(help="Exported models.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Exit with 1 if the drop may be more points of accuracy than this.")
    ] = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Images to evaluate on.")] = "test",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare models on the same images: accuracy, confusion matrices, what was lost.

    Example: fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 0.5
    """
    from ..benchmarks.gate import gate_failures
    from ..benchmarks.report import build_report
    from ..benchmarks.tables import as_markdown, class_table, confusion_table, models_table
    from ..common.files import write_json
    from ..dataset import load_split

    images = load_split(split, data_dir, progress=ConsoleProgress())
    results, _ = run_evaluation([reference, *(candidates or [])], images)
    report = build_report(results, images)
    if json_file:
        write_json(json_file, report)
    tables = [models_table(report)]
    for model in report["models"]:
        tables += [confusion_table(model, report["labels"]), class_table(model)]
    for table in tables:
        print(f"{table.title}\n\n{as_markdown(table)}\n")
    _apply_gate([] if max_drop is None else gate_failures(report, max_drop_points=max_drop))


def _apply_gate(failures: list[str]) -> None:
    for line in failures:
        fail(line)
    if failures:
        raise typer.Exit(1)


def run_evaluation(models: Sequence[Path], images: Any) -> tuple[list[ModelResult], list[Path]]:
    """Run every model over `images` once; return the results and the paths of the files."""
    from ..benchmarks.harness import evaluate_models
    from ..train.run_folder import find_model

    paths = [find_model(path) if path.is_dir() else path for path in models]
    return evaluate_models(paths, _open_model, images, progress=ConsoleProgress()), paths


def _open_model(path: Path) -> Runner:
    """Open a .keras file with TensorFlow, and anything else with the runtime alone, for answers and not for timing."""
    from ..runtime.runner import check_file, open_runner

    if path.suffix != ".keras":
        return open_runner(path, threads=os.cpu_count() or 1)
    check_file(path)
    from ..train import require_tensorflow

    require_tensorflow()
    from ..train.keras_model import KerasRunner

    return KerasRunner.open(path)
