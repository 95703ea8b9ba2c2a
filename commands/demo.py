"""The command `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .benchmark import print_report, run_benchmark
from .data import data
from .export import run_export
from .shared import DataDir, say
from .train import run_training


def demo(
    epochs: Annotated[int, typer.Option(help="Passes over the training images; 15 for the real thing.", min=1)] = 1,
    arch: Annotated[str, typer.Option(help="Architecture.")] = "seed",
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("demo"),
    data_dir: DataDir = None,
) -> None:
    """Walk the whole path on the real data: train, export, evaluate, benchmark, report.

    An interrupted or finished training in the folder is gone on with. Example: fmnist-edge demo --epochs 15
    """
    from ..benchmarks.measuring import MeasureOptions
    from ..train.run_folder import RunFolder

    data(data_dir)
    run = RunFolder(out / "run")
    if run.is_finished():
        say(f"using the model that was trained in {run.path}")
    elif run.is_started():
        say(f"going on with the training in {run.path}")
        run_training({}, None, run.path, data_dir, resume=True)
    else:
        passes = "one pass" if epochs == 1 else f"{epochs} passes"
        amount = "the whole training set" if limit is None else f"the first {limit:,} training images"
        say(f"training {arch} for {passes} over {amount} (--epochs 15 for the real thing)")
        run_training({"arch": arch, "epochs": epochs, "limit": limit}, None, run.path, data_dir, resume=False)
    exported = run_export(
        run.path, ["float32", "float16", "dynamic", "int8"], "both", out / "exports", data_dir, force=True
    )
    models = [run.path, *(file.path for file in exported)]
    report, written = run_benchmark(models, out / "report", MeasureOptions(), data_dir)
    print_report(report, written)
