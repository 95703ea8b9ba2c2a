"""The Typer app: every command under its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from .benchmark import benchmark
from .box import box
from .camera import camera
from .compare import compare
from .data import data
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .export import export
from .inspect import inspect
from .lean import require_numpy
from .predict import predict
from .sign import sign
from .train import train
from .tune import tune
from .verify import verify
from .watch import watch

COMMANDS = (
    data,
    train,
    tune,
    export,
    inspect,
    sign,
    verify,
    predict,
    watch,
    camera,
    evaluate,
    benchmark,
    compare,
    doctor,
    demo,
)


WITHOUT_NUMPY = (doctor,)
"""Commands that must work where NumPy does not."""


class NumpyCommand(TyperCommand):
    """A command that needs NumPy; its ``--help`` does not."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            EdgeError: NumPy may not take the memory that it needs.
        """
        require_numpy()
        return super().invoke(ctx)


def make_app(version: Callable[[], str]) -> typer.Typer:
    """Return the app with all commands; `version` looks up what ``--version`` prints."""
    app = typer.Typer(
        name="fmnist-edge",
        help="Fashion-MNIST from training to a Raspberry Pi, with proof of what was lost on the way.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # importing rich would double the time of --help
        pretty_exceptions_enable=False,
    )
    for command in COMMANDS:
        app.command(cls=None if command in WITHOUT_NUMPY else NumpyCommand)(command)
    app.command(hidden=True, cls=NumpyCommand)(box)

    @app.callback(invoke_without_command=True)
    def root(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
        if show:
            print(f"fmnist-edge {version()}")
            raise typer.Exit

    return app
