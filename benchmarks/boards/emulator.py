"""Run Python on an emulated board, and count what the processor executes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import EdgeError
from .board import Board
from .sysroot import Sysroot
from .tools import INSTALL, last_line

_TIMEOUT_S = 900


@dataclass(frozen=True)
class Emulation:
    """What a program did on a board.

    Attributes:
        stdout: what it wrote to standard output.
        stderr: likewise, standard error.
        counts: executed instructions since the start of the process, at each mark (`payload.mark`) and at the end;
            None when they were not counted.
    """

    stdout: str
    stderr: str
    counts: tuple[int, ...] | None


def run_python(sysroot: Sysroot, board: Board, arguments: Sequence[str | Path], *, count: bool = False) -> Emulation:
    """Run ``python3 ARGUMENTS`` on `board`, in an empty folder and with an environment of its own.

    Args:
        sysroot: from `sysroot.prepare`.
        board: the board.
        arguments: what follows ``python3``; paths must be absolute.
        count: count instructions, for a third more time.

    Raises:
        EdgeError: the program failed, used an instruction that the board has not, or took longer than 15 minutes; or
            it shall be counted and this QEMU cannot.
    """
    if count and sysroot.cannot_count:
        raise EdgeError(sysroot.cannot_count)
    with tempfile.TemporaryDirectory(prefix="fmnist-edge-board-") as name:
        folder = Path(name)
        log = folder / "counts.log"
        counting: list[str | Path] = ["-d", "plugin", "-D", log, "-plugin", sysroot.plugin] if count else []
        machine: list[str | Path] = [_qemu(), "-cpu", board.cpu, "-L", sysroot.root(board)]
        command = [*machine, *counting, sysroot.interpreter, *arguments]
        done = _run(command, folder, sysroot, board)
        explain_end(done.returncode, done.stderr, board)
        counts = read_counts(log.read_text(encoding="ascii", errors="replace") if log.exists() else "")
    return Emulation(done.stdout, done.stderr, counts if count else None)


def read_counts(log: str) -> tuple[int, ...]:
    r"""Read the plugin's lines from QEMU's log.

    >>> read_counts("12\nwarning: something of QEMU's own\n40\n")
    (12, 40)
    """
    return tuple(int(line) for line in log.splitlines() if line.isdigit())


def explain_end(status: int, stderr: str, board: Board) -> None:
    """Return if a program ended well.

    Args:
        status: exit code, or the negative number of the signal that ended it.
        stderr: what it wrote to standard error.
        board: where it ran.

    Raises:
        EdgeError: it did not.
    """
    if status == -signal.SIGILL:
        expected = f"instructions of {board.cpu} with {' '.join(board.features)}"
        hint = "a package was built for a newer processor; take its older version"
        got = "an illegal instruction (SIGILL)"
        raise EdgeError(f"the program cannot run on {board.title}", expected=expected, got=got, hint=hint)
    if status < 0:
        raise EdgeError(f"the program crashed on {board.title}", got=_signal_name(-status))
    if status:
        got = last_line(stderr) or f"exit code {status}"
        raise EdgeError(f"the program failed on {board.title}", got=got)


def _run(
    command: Sequence[str | Path], folder: Path, sysroot: Sysroot, board: Board
) -> subprocess.CompletedProcess[str]:
    environment = {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PATH": os.defpath,
        "PYTHONHASHSEED": "0",  # start-up would vary with the order of sets
        "PYTHONPATH": os.pathsep.join(map(str, sysroot.python_path)),
        "PYTHONPYCACHEPREFIX": str(sysroot.bytecode),
        "PYTHONSAFEPATH": "1",
    }
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        expected = f"an end within {_TIMEOUT_S} s"
        raise EdgeError(f"the program hangs on {board.title}", expected=expected, got="none") from error


def _qemu() -> str:
    found = shutil.which("qemu-aarch64")
    if found is None:
        raise EdgeError("no qemu-aarch64 on this machine", hint=INSTALL)
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
