"""The machine under examination: its files below one root folder, and its Python as a command.

Both can be replaced, so that another system is examined from outside: a folder laid out by a test, an emulated board.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import one_line

TIMEOUT_S = 120
"""No import takes that long, not even from the slowest card."""
_NO_CORE = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: exit code, or the negative number of the signal that ended it; None when it hung or did not start.
        stdout: what it wrote to standard output.
        stderr: likewise, standard error; the reason where it did not start.
    """

    status: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def why(self) -> str:
        r"""Say in a few words how it ended.

        >>> Ended(-4).why, Ended(1, stderr="Traceback\nImportError: no").why, Ended(3).why
        ('an illegal instruction (SIGILL)', 'ImportError: no', 'exit code 3')
        """
        if self.status is None or self.status > 0:
            lines = [line for line in self.stderr.splitlines() if line.strip()]
            return one_line(lines[-1]) if lines else f"exit code {self.status}"
        if self.status == -signal.SIGILL:
            return "an illegal instruction (SIGILL)"
        if self.status == -signal.SIGKILL:
            return "it was killed (SIGKILL), most likely for want of memory"
        return f"a crash ({signal_name(-self.status)})" if self.status else "done"


@dataclass(frozen=True)
class Machine:
    """What is examined.

    Attributes:
        root: where its file system begins.
        python: the command that starts its Python.
        environment: of the processes started; None for this process's own.
    """

    root: Path = Path("/")
    python: tuple[str, ...] = (sys.executable,)
    environment: Mapping[str, str] | None = None

    def path(self, name: str) -> Path:
        """Return where a path of the machine lies here.

        >>> Machine(root=Path("/tmp/pi")).path("/proc/cpuinfo").as_posix()
        '/tmp/pi/proc/cpuinfo'
        """
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Return a file's text without the zero byte and line end at its end; None when it cannot be read."""
        return read_text(self.path(name))

    def glob(self, pattern: str) -> list[Path]:
        """Return the paths that match, sorted."""
        return sorted(self.root.glob(pattern.lstrip("/")))

    def run_code(self, code: str) -> Ended:
        """Run Python code in a fresh process of the machine's Python; a crash leaves no core file."""
        return self.run([*self.python, "-P", "-c", _NO_CORE + code])

    def run(self, command: Sequence[str]) -> Ended:
        """Run a command."""
        environment = None if self.environment is None else dict(self.environment)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ended(None, stderr=f"no end within {TIMEOUT_S} s")
        except OSError as error:
            return Ended(None, stderr=f"cannot start {command[0]}: {error.strerror or error}")
        return Ended(done.returncode, done.stdout, done.stderr)


def read_text(path: Path) -> str | None:
    """Return a file's text without the zero byte and line end at its end; None when it cannot be read or is empty."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def signal_name(number: int) -> str:
    """Name a signal.

    >>> signal_name(11), signal_name(99)
    ('SIGSEGV', 'signal 99')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
