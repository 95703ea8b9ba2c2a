"""The command `train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress
from .shared import DataDir, Json, fail, print_json, say

if TYPE_CHECKING:
    from ..train.run_folder import RunFolder


def train(
    arch: Annotated[str | None, typer.Option(help="Architecture: seed (default) or compact.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images (15).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step (128).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size (0.001).")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of units dropped (0.2).")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout (0).")] = None,
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only, for a quick try.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with the options above; the command line wins.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (runs/ARCH-TIME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a model and write a run folder that says how.

    Example: fmnist-edge train --epochs 15
    """
    chosen = {
        "arch": arch,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "dropout": dropout,
        "seed": seed,
        "limit": limit,
    }
    if resume and (config or any(value is not None for value in chosen.values())):
        raise EdgeError("--resume goes on with the options of the run", hint="leave the other options out")
    folder = run_training(chosen, config, out, data_dir, resume=resume)
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    if as_json:
        print_json({"folder": str(folder.path), **metrics})
        return
    print(f"validation accuracy {metrics['validation']['accuracy']:.2%}, {metrics['parameters']:,} parameters")
    print(f"wrote {folder.path}; next: fmnist-edge export --int8")


def run_training(
    chosen: dict[str, Any], config: Path | None, out: Path | None, data_dir: Path | None, *, resume: bool
) -> RunFolder:
    """Begin a training, or go on with one; return its run folder."""
    from ..train.options import make_options
    from ..train.run_folder import new_run_path, unfinished_run

    if resume:
        path = out or unfinished_run().path
        options = None
    else:
        options = make_options(chosen, config)
        path = out or new_run_path(options.arch)
    from ..train import require_tensorflow

    require_tensorflow()
    from ..train import trainer

    shared: dict[str, Any] = {"data_dir": data_dir, "progress": ConsoleProgress(), "report": say}
    try:
        return trainer.resume(path, **shared) if options is None else trainer.start(options, path, **shared)
    except KeyboardInterrupt:
        fail(f"interrupted; go on with: fmnist-edge train --resume --out {path}")
        raise typer.Exit(130) from None
