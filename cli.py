"""The command line: runs a command, and turns an expected error into one line.

Exit codes: 0 done, 1 a negative verdict, 2 bad input or usage, or a machine without room. Results go to standard
output, progress to standard error. Every heavy import happens inside the command that needs it; a plain `predict` does
without Typer, too.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from .commands.lines import drop_output, fail
from .commands.quick import run_plain_predict
from .common.errors import EdgeError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an expected error becomes one line on standard error and its exit code.

    What the machine denies at a place that no command foresees (memory, a full disk, a broken one) is expected, too.
    """
    typed = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name is bytes, and need not be text
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        try:
            if not run_plain_predict(typed):
                from .commands.app import make_app

                make_app(_version)(typed, prog_name="fmnist-edge")
        finally:
            sys.stdout.flush()
    except EdgeError as error:
        fail(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read the answers has gone
        drop_output()
        sys.exit(1)
    except ImportError as error:
        from .common.extras import does_not_load

        fail(str(does_not_load(error)))
        sys.exit(2)
    except MemoryError:
        fail("not enough memory; next: end other programs, or use a smaller model")
        sys.exit(2)
    except OSError as error:
        drop_output()
        fail(str(EdgeError("the machine refused", got=str(error), hint="make room, or look at the disk")))
        sys.exit(2)


def _version() -> str:
    from . import __version__

    return __version__


if __name__ == "__main__":
    main()
