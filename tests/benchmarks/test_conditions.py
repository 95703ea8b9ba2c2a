"""Was the machine itself: real looks at this one, and what is said of machines that were not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_edge.benchmarks import conditions
from fmnist_edge.benchmarks.conditions import (
    MOST_DRIFT,
    MOST_OTHERS,
    MOST_SPREAD,
    Conditions,
    Snapshot,
    Watch,
    drift,
    judge,
    take_snapshot,
    time_yardstick_ms,
)

CALM = Snapshot(load_1min=0.1, frequency_mhz=2400.0, temperature_c=50.0, throttled=())
QUIET = Conditions(
    before=CALM,
    after=CALM,
    yardstick_ms=0.05,
    yardstick_drift=0.01,
    yardstick_spread=0.02,
    frequency_drift=0.0,
    others_cores=0.05,
)


def test_a_quiet_machine_is_not_called_disturbed() -> None:
    assert judge(QUIET, bits_before=0, bits_after=0) == ()
    assert judge(QUIET, bits_before=None, bits_after=None) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"yardstick_drift": 0.2}, "the machine's speed drifted: a fixed computation took +20% at the end"),
        ({"yardstick_drift": -0.2}, "the machine's speed drifted: a fixed computation took -20% at the end"),
        ({"yardstick_spread": 0.5}, "the machine's speed wavered: a fixed computation took +50% at times"),
        ({"frequency_drift": -0.4}, "the processor's frequency drifted by -40%"),
        ({"others_cores": 1.26}, "other programs kept 1.3 cores busy"),
    ],
)
def test_what_disturbs_is_said(change: dict[str, float], says: str) -> None:
    assert judge(replace(QUIET, **change), bits_before=0, bits_after=0) == (says,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "limit"),
    [("yardstick_drift", MOST_DRIFT), ("yardstick_spread", MOST_SPREAD), ("others_cores", MOST_OTHERS)],
)
def test_at_its_limit_nothing_is_said_and_beyond_it_is(name: str, limit: float) -> None:
    assert judge(replace(QUIET, **{name: limit}), bits_before=0, bits_after=0) == ()  # type: ignore[arg-type]
    assert len(judge(replace(QUIET, **{name: limit + 0.001}), bits_before=0, bits_after=0)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (0, 0x4, "throttled"),  # now
        (0x1, 0x0, "under-voltage"),  # at the beginning
        (0x0, 0x80000, "soft temperature limit"),  # between the two
        (0x0, 0x60006, "frequency capped, throttled"),
    ],
)
def test_a_limited_board_is_disturbed(before: int, after: int, names: str) -> None:
    assert judge(QUIET, bits_before=before, bits_after=after) == (f"the board was limited: {names}",)


def test_what_happened_before_the_measurement_does_not_count() -> None:
    assert judge(QUIET, bits_before=0x50000, bits_after=0x50000) == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], 0.0), ([1, 2], 0.0), ([1, 1, 1], 0.0), ([1, 5, 2], 1.0), ([2, 2, 9, 9, 1, 1], -0.5)],
)
def test_drift_compares_the_last_third_with_the_first(values: list[float], expected: float) -> None:
    assert drift(values) == expected


def test_a_real_watch_sees_this_machine() -> None:
    watch = Watch()
    for _ in range(9):
        watch.look()
    found = watch.finish()
    assert 0 < found.yardstick_ms < 100
    assert found.yardstick_spread >= 0
    assert found.before.load_1min >= 0
    content = found.as_json()
    assert json.loads(json.dumps(content)) == content


def test_a_busy_neighbour_is_seen_and_our_own_work_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(conditions, "_STAT", stat)
    monkeypatch.setattr(conditions.os, "sysconf", lambda name: 100)
    now = {"wall": 50.0, "own": 3.0}
    monkeypatch.setattr(conditions.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(conditions.time, "process_time", lambda: now["own"])
    stat.write_text("cpu  1000 0 0 9000 0 0 0 0 0 0\n")
    watch = Watch()
    now.update(wall=60.0, own=12.0)  # 10 s later we have worked 9 s
    stat.write_text("cpu  2200 100 100 9000 0 50 50 0 0 0\n")  # and all processors together 15 s
    assert watch.finish().others_cores == pytest.approx(0.6)


@pytest.mark.parametrize("content", [None, "", "cpu  1 2\n", "cpu  a b c d e f g h\n"])
def test_where_the_kernel_does_not_say_the_load_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    monkeypatch.setattr(conditions, "_STAT", stat)
    assert Watch().finish().others_cores is None


def test_a_snapshot_says_what_a_pi_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "throttle_bits", lambda: 0x4)
    assert take_snapshot().throttled == ("throttled",)
    monkeypatch.setattr(conditions, "throttle_bits", lambda: None)
    assert take_snapshot().throttled is None


def test_the_yardstick_takes_time() -> None:
    assert time_yardstick_ms() > 0
