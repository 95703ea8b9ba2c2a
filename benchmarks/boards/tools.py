"""The programs of the system that the boards need, run so that a failure is one line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...common.errors import EdgeError, one_line

INSTALL = "apt-get install qemu-user gcc"
"""The one command that brings what a Debian may lack; `dpkg` and `apt-get` it has."""
_DEBIAN_TOOLS = ("apt-get", "dpkg")
_INSTALLED_TOOLS = ("qemu-aarch64", "cc")
_TIMEOUT_S = 600


def missing_tools() -> tuple[str, ...]:
    """Return the programs that are not on this machine; with none missing, boards can be emulated."""
    return tuple(name for name in (*_DEBIAN_TOOLS, *_INSTALLED_TOOLS) if shutil.which(name) is None)


def require_tools() -> None:
    """Check that everything is there before long work begins.

    Raises:
        EdgeError: a program is missing; names the command that installs it.
    """
    missing = missing_tools()
    if not missing:
        return
    hint = INSTALL if not set(missing) & set(_DEBIAN_TOOLS) else "use a machine with Debian; boards are made from it"
    got = f"no {', '.join(missing)}"
    raise EdgeError("cannot emulate a board on this machine", expected="QEMU and Debian's tools", got=got, hint=hint)


def run_tool(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    hint: str = "",
) -> str:
    """Run one program to its end and return its standard output.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        environment: all it gets of one; None for ours.
        hint: what to do should it fail.

    Raises:
        EdgeError: not installed, failed (says its last line), or took longer than ten minutes.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            list(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise EdgeError(f"no {name} on this machine", hint=INSTALL) from error
    except subprocess.TimeoutExpired as error:
        raise EdgeError(f"{name} took longer than {_TIMEOUT_S} s", hint=hint) from error
    if done.returncode:
        raise EdgeError(f"{name} failed", got=last_line(done.stderr) or f"exit code {done.returncode}", hint=hint)
    return done.stdout


def last_line(text: str) -> str:
    r"""Return the last line that is not empty, where programs say what went wrong.

    >>> last_line("Traceback\nValueError: no\n\n"), last_line("")
    ('ValueError: no', '')
    """
    lines = text.strip().splitlines()
    return one_line(lines[-1]) if lines else ""
