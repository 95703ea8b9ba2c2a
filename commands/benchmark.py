"""The command `benchmark`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..common.progress import ConsoleProgress
from .evaluate import run_evaluation
from .shared import DataDir, Json, Threads, print_json


def benchmark(
    models: Annotated[list[Path], typer.Argument(help="Models; the first is the reference.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    threads: Threads = 1,
    rounds: Annotated[int, typer.Option(help="Blocks of 20 runs for each model's latency.", min=1)] = 20,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy, latency, size and memory, and write a report.

    Example: fmnist-edge benchmark runs/latest exports/*
    """
    report, written = run_benchmark(models, out, threads, rounds, data_dir)
    if as_json:
        print_json(report)
        return
    print_report(report, written)


def run_benchmark(
    models: Sequence[Path], out: Path, threads: int, rounds: int, data_dir: Path | None
) -> tuple[dict[str, Any], list[Path]]:
    """Measure the models and write the report; return it with the files written."""
    from ..benchmarks.figures import require_matplotlib
    from ..benchmarks.harness import measure_models
    from ..benchmarks.report import build_report, write_report
    from ..common.files import require_writable
    from ..dataset import load_split

    require_matplotlib()
    require_writable(out)
    progress = ConsoleProgress()
    images = load_split("test", data_dir, progress=progress)
    results, paths = run_evaluation(models, images)
    results = measure_models(results, paths, images, threads=threads, rounds=rounds, progress=progress)
    report = build_report(results, images, threads=threads)
    return report, write_report(report, out, progress=progress)


def print_report(report: dict[str, Any], written: Sequence[Path]) -> None:
    """Print the table, the findings and where the report is."""
    from ..benchmarks.tables import as_markdown, key_lines, models_table

    print(f"{as_markdown(models_table(report))}\n")
    print("\n".join(key_lines(report)))
    print("report: " + ", ".join(str(path) for path in written if path.stem == "report"))
