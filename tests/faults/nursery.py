"""Commands in processes of their own that start at once, because everything was imported before they were forked.

Run as a script, this file is the process that imports and forks: it reads a request a line, and answers with a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KILLED = -signal.SIGKILL
_LONGEST_S = 900.0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code, or minus the signal that killed it.
        out: what it printed.
        err: what it printed to standard error.
        events: how often it opened, renamed, made or deleted something under its folder; of a killed one, 0.
        seconds: how long it took.
    """

    code: int
    out: str
    err: str
    events: int
    seconds: float

    def one_line(self) -> str:
        """Return the one line of what is wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("fmnist-edge: ")]
        assert "Traceback" not in self.err, self.err
        assert len(lines) == 1, self.err
        return lines[0]


@dataclass(frozen=True)
class Moment:
    """When a command is killed: after so many seconds, or so many seconds after its n-th event (from 1)."""

    after_s: float
    event: int = 0


class Nursery:
    """Runs commands, one at a time or several at once."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(
        self, folder: Path, *arguments: object, moment: Moment | None = None, hardship: Sequence[object] = ()
    ) -> int:
        """Start ``fmnist-edge ARGUMENTS`` in `folder` and return its number.

        Args:
            folder: where it works, and where its events are counted.
            arguments: of the command line.
            moment: when it is killed; None lets it end.
            hardship: a function of `hardship` and its arguments, called in the process first.
        """
        kill = None if moment is None else [moment.after_s, moment.event]
        return int(self._ask(begin=[str(folder), [str(one) for one in arguments], kill, [*map(str, hardship)]]))

    def end(self, number: int) -> Ended:
        """Wait for a command."""
        return Ended(*self._ask(end=number))

    def run(self, folder: Path, *arguments: object, **options: Any) -> Ended:
        """Start a command and wait for it."""
        return self.end(self.begin(folder, *arguments, **options))

    def close(self) -> None:
        """End the server."""
        self._server.communicate(timeout=_LONGEST_S)

    def _ask(self, **request: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())


# --- the process that forks ------------------------------------------------------------------------------------------


@dataclass
class _Child:
    pid: int
    began_s: float
    kill_at_s: float | None
    files: tempfile.TemporaryDirectory[str]


def serve() -> None:
    """Import everything, then fork on request until standard input ends."""
    _import_everything()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    children: list[_Child] = []
    for line in sys.stdin:
        request = json.loads(line)
        if "begin" in request:
            children.append(_begin(*request["begin"]))
            answer: Any = len(children) - 1
        else:
            answer = _end(children[request["end"]])
        print(json.dumps(answer), file=answers, flush=True)


def _import_everything() -> None:
    import fmnist_edge.cli
    import fmnist_edge.commands.app
    from fmnist_edge.export import require_converters
    from fmnist_edge.train import require_tensorflow

    require_tensorflow()
    require_converters()
    import fmnist_edge.benchmarks.figures
    import fmnist_edge.benchmarks.measuring
    import fmnist_edge.benchmarks.page.document
    import fmnist_edge.export.exporter
    import fmnist_edge.train.trainer
    import fmnist_edge.train.tuning.outcome
    import fmnist_edge.train.tuning.pictures
    import fmnist_edge.train.tuning.search  # noqa: F401


def _begin(folder: str, arguments: list[str], kill: list[float] | None, hardship: list[str]) -> _Child:
    files = tempfile.TemporaryDirectory(prefix="nursery-")
    began_s = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_the_command(folder, arguments, kill, hardship, Path(files.name))
    at_s = began_s + kill[0] if kill is not None and not kill[1] else None
    return _Child(pid, began_s, at_s, files)


def _end(child: _Child) -> list[Any]:
    deadline_s = child.began_s + _LONGEST_S if child.kill_at_s is None else child.kill_at_s
    status = None
    while status is None:
        pid, found = os.waitpid(child.pid, os.WNOHANG)
        if pid:
            status = found
        elif time.monotonic() > deadline_s:
            os.kill(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
        else:
            time.sleep(0.002)
    seconds = time.monotonic() - child.began_s
    out, err, events = (
        path.read_text(errors="replace") if (path := Path(child.files.name) / name).exists() else ""
        for name in ("out", "err", "events")
    )
    child.files.cleanup()
    return [os.waitstatus_to_exitcode(status), out, err, int(events or 0), seconds]


def _be_the_command(
    folder: str, arguments: list[str], kill: list[float] | None, hardship: list[str], files: Path
) -> None:
    """Run the command line in this forked process, and end the process with its exit code."""
    code = 70
    try:
        for name, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(files / name, os.O_CREAT | os.O_WRONLY, 0o600), descriptor)
        sys.stdin = open(os.devnull, encoding="ascii")  # noqa: PTH123, SIM115
        os.chdir(folder)
        finish = None
        if hardship:
            import hardship as hardships

            finish = getattr(hardships, hardship[0])(*hardship[1:])
        events = _Events(folder, *(kill if kill is not None and kill[1] else (0.0, 0)))
        sys.addaudithook(events)
        code = _exit_code(arguments)
        sys.stdout.flush()
        events.stop()
        if finish is not None:
            finish()
        (files / "events").write_text(str(events.count))
    except BaseException:  # the harness's own: whatever it is, it must be seen
        traceback.print_exc()
        code = 70
    finally:
        sys.stderr.flush()
        os._exit(code)


def _exit_code(arguments: list[str]) -> int:
    from fmnist_edge.cli import main

    try:
        main(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class _Events:
    """Counts what is done to files under a folder, and kills the process shortly after the n-th."""

    _NAMES = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink"})

    def __init__(self, folder: str, after_s: float, last: float) -> None:
        self.count = 0
        self._folder, self._after_s, self._last = os.path.realpath(folder) + os.sep, after_s, int(last)
        self._counting = True

    def __call__(self, name: str, arguments: tuple[Any, ...]) -> None:
        if not self._counting or name not in self._NAMES or not isinstance(arguments[0], str | os.PathLike):
            return
        if not os.path.abspath(os.fspath(arguments[0])).startswith(self._folder):  # noqa: PTH100 (no link is followed)
            return
        self.count += 1
        if self.count == self._last:
            self._kill_soon()

    def stop(self) -> None:
        self._counting = False

    def _kill_soon(self) -> None:
        """Let another process do it, so that this one goes on with what it is about to write."""
        myself = os.getpid()
        if os.fork() == 0:
            time.sleep(self._after_s)
            os.kill(myself, signal.SIGKILL)
            os._exit(0)


if __name__ == "__main__":
    serve()
