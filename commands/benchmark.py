"""The command `benchmark`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.progress import ConsoleProgress
from .evaluate import Models, ReferenceFile, model_paths, run_evaluation
from .shared import AllowUnverified, DataDir, Json, RequireSignature, Threads, print_json, say

if TYPE_CHECKING:
    from ..benchmarks.measuring import MeasureOptions
    from ..benchmarks.report import Margins


def benchmark(
    models: Models = None,
    reference: ReferenceFile = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    threads: Threads = 1,
    rounds: Annotated[int, typer.Option(help="Blocks of 20 runs for each model's latency.", min=1)] = 50,
    sustained: Annotated[
        float | None, typer.Option(help="Also run each model for so many seconds without a pause.", min=0.001)
    ] = None,
    board: Annotated[
        str | None, typer.Option(help="Also count instructions on emulated boards: pi3,zero2w,pi4,pi5.")
    ] = None,
    margin: Annotated[float, typer.Option(help="Points of accuracy that a file may lose and be called as good.")] = 0.5,
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy, latency, size and memory, and write a report.

    After an interruption, the same command goes on with what is missing. Example: fmnist-edge benchmark runs/latest
    exports/*
    """
    from ..benchmarks.measuring import MeasureOptions
    from ..benchmarks.report import Margins
    from ..runtime.trust import Trust

    boards = tuple(name.strip() for name in board.split(",")) if board else ()
    trust = Trust.chosen(verify=not allow_unverified, signed_by=require_signature)
    options = MeasureOptions(threads=threads, rounds=rounds, sustained_s=sustained, boards=boards, trust=trust)
    report, written = run_benchmark(
        models or [], out, options, data_dir, reference=reference, margins=Margins(overall=margin)
    )
    if as_json:
        print_json(report)
        return
    print_report(report, written)


def run_benchmark(
    models: Sequence[Path],
    out: Path,
    options: MeasureOptions,
    data_dir: Path | None,
    *,
    reference: Path | None = None,
    margins: Margins | None = None,
) -> tuple[dict[str, Any], list[Path]]:
    """Measure the models and write the report; return it with the files written."""
    from ..benchmarks.boards.board import find_board
    from ..benchmarks.boards.tools import require_tools
    from ..benchmarks.figures import require_matplotlib
    from ..benchmarks.kept import Kept
    from ..benchmarks.measuring import measure_models
    from ..benchmarks.report import build_report, write_report
    from ..common.files import require_writable
    from ..dataset import load_split

    require_matplotlib()
    if options.boards:
        for name in options.boards:
            find_board(name)
        require_tools()
    require_writable(out)
    progress, kept = ConsoleProgress(), Kept.beside(out)
    if kept.count():
        say(f"going on with what an interrupted benchmark left in {kept.folder}")
    images = load_split("test", data_dir, progress=progress)
    paths = model_paths(models)
    results = run_evaluation(paths, images, reference=reference, kept=kept, trust=options.trust)
    measured = measure_models(results, paths, images, options, kept=kept, progress=progress)
    report = build_report(
        measured.results,
        images,
        margins=margins,
        options=options,
        conditions=measured.conditions,
        training=_training(paths[0]),
    )
    written = write_report(report, images, out, progress=progress)
    kept.clear()
    return report, written


def _training(model: Path) -> list[dict[str, float]] | None:
    """Return the epochs of the training that made a .keras file, where its run folder knows them."""
    from dataclasses import asdict

    from ..train.run_folder import RunFolder

    if model.suffix != ".keras":
        return None
    history = RunFolder(model.parent).read_history()
    return [asdict(epoch) for epoch in history] or None


def print_report(report: dict[str, Any], written: Sequence[Path]) -> None:
    """Print the table, the findings, what to ship and where the report is."""
    from ..benchmarks.tables import as_markdown, disturbance_line, key_lines, models_table, recommendation_lines

    print(f"{as_markdown(models_table(report))}\n")
    print("\n".join([*key_lines(report), *recommendation_lines(report)]))
    disturbed = disturbance_line(report)
    if disturbed:
        say(f"fmnist-edge: {disturbed}")
    print("report: " + ", ".join(str(path) for path in written if path.stem == "report"))
