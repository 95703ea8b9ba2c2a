"""The command line: runs a command, and turns an expected error into one line.

Exit codes: 0 done, 1 a negative verdict, 2 bad input or usage. Results go to standard output, progress to standard
error. Every heavy import happens inside the command that needs it; a plain `predict` does without Typer, too.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from .commands.lines import fail
from .commands.quick import run_plain_predict
from .common.errors import EdgeError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an expected error becomes one line on standard error and its exit code."""
    typed = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name is bytes, and need not be text
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        if not run_plain_predict(typed):
            from .commands.app import make_app

            make_app(_version)(typed, prog_name="fmnist-edge")
    except EdgeError as error:
        fail(str(error))
        sys.exit(error.exit_code)


def _version() -> str:
    from . import __version__

    return __version__


if __name__ == "__main__":
    main()
