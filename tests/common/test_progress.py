"""Progress: a bar on a terminal, one line a stage anywhere else."""

from __future__ import annotations

import io
import itertools

import pytest

from fmnist_edge.common.progress import ConsoleProgress, silent


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one second pass from each look at the clock to the next."""
    clock = itertools.count(100.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))


def test_silent_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    silent("training", 1, 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("seconds")
def test_a_log_file_gets_one_line_for_each_finished_stage() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(stream)
    for stage in ("training", "exporting"):
        for done in range(3):
            progress(stage, done, 2)
    assert stream.getvalue() == "training: done in 2.0 s\nexporting: done in 2.0 s\n"


@pytest.mark.usefixtures("seconds")
def test_a_terminal_gets_a_growing_bar_with_the_time_left() -> None:
    stream = Terminal()
    progress = ConsoleProgress(stream)
    for done in range(3):
        progress("training", done, 2)
    empty, half, full = "░" * 24, "█" * 12 + "░" * 12, "█" * 24
    assert stream.getvalue().split("\r\x1b[K") == [
        "",
        f"training {empty} 0/2 0.0 s",
        f"training {half} 1/2 1.0 s, 1 s left",
        f"training {full} 2/2 2.0 s\n",
    ]


@pytest.mark.usefixtures("seconds")
def test_a_terminal_is_redrawn_no_more_often_than_asked_but_always_at_the_end() -> None:
    stream = Terminal()
    progress = ConsoleProgress(stream, redraw_s=60.0)
    for done in range(5):
        progress("training", done, 4)
    assert [line.split()[2] for line in stream.getvalue().split("\r\x1b[K")[1:]] == ["0/4", "4/4"]


@pytest.mark.usefixtures("seconds")
def test_the_same_stage_twice_is_timed_anew() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(stream)
    for done in (0, 1, 0, 1):
        progress("exporting", done, 1)
    assert stream.getvalue() == "exporting: done in 1.0 s\n" * 2


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_a_stage_of_no_steps_is_finished_at_once(stream: io.StringIO) -> None:
    ConsoleProgress(stream)("checking", 0, 0)
    assert stream.getvalue().endswith(" s\n")


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleProgress()("training", 1, 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("training: done in ")
