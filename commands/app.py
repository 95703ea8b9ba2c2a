"""The Typer app: every command under its name."""

from __future__ import annotations

from typing import Annotated

import typer

from .benchmark import benchmark
from .camera import camera
from .data import data
from .demo import demo
from .evaluate import evaluate
from .export import export
from .inspect import inspect
from .predict import predict
from .train import train
from .watch import watch

app = typer.Typer(
    name="fmnist-edge",
    help="Fashion-MNIST from training to a Raspberry Pi, with proof of what was lost on the way.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # importing rich would double the time of --help
    pretty_exceptions_enable=False,
)
for command in (data, train, export, inspect, predict, watch, camera, evaluate, benchmark, demo):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from .. import __version__

        print(f"fmnist-edge {__version__}")
        raise typer.Exit
