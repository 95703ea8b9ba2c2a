"""The command line: gathers the commands, and turns an expected error into one line.

Exit codes: 0 done, 1 a negative verdict, 2 bad input or usage. Results go to standard output, progress to standard
error. Every heavy import happens inside the command that needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from .commands.benchmark import benchmark
from .commands.compare import compare
from .commands.data import data
from .commands.demo import demo
from .commands.doctor import doctor
from .commands.evaluate import evaluate
from .commands.export import export
from .commands.inspect import inspect
from .commands.predict import predict
from .commands.shared import fail
from .commands.train import train
from .commands.watch import watch
from .common.errors import EdgeError

app = typer.Typer(
    name="fmnist-edge",
    help="Fashion-MNIST from training to a Raspberry Pi, with proof of what was lost on the way.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # importing rich would double the time of --help
    pretty_exceptions_enable=False,
)
COMMANDS = (data, train, export, inspect, predict, watch, evaluate, benchmark, compare, doctor, demo)
for command in COMMANDS:
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an expected error becomes one line on standard error and its exit code."""
    try:
        app(None if arguments is None else list(arguments), prog_name="fmnist-edge")
    except EdgeError as error:
        fail(str(error))
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from . import __version__

        print(f"fmnist-edge {__version__}")
        raise typer.Exit


if __name__ == "__main__":
    main()
