"""Add to the results of exported models what they cost: time, memory, and instructions on emulated boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.progress import Progress, silent
from ..dataset import Split
from ..runtime.runner import SUFFIXES, open_runner
from ..runtime.trust import Trust
from .answers import model_name
from .boards.board import Board, find_board
from .boards.measure import BoardMeasurement, measure_boards
from .boards.sysroot import prepare
from .conditions import Conditions, Watch
from .harness import ModelResult
from .kept import Kept
from .latency import DEFAULT_ROUNDS, Latency, measure_latency
from .probe import ColdStart, measure_cold_start
from .sustained import Sustained, measure_sustained
from .throughput import Throughput, measure_throughput

BOARD_IMAGES = 20
"""Instructions repeat to a fraction of a percent, so that few images are enough."""
_TIMED_IMAGES = 200


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured, and how.

    Attributes:
        threads: processor threads of a model.
        rounds: see `measure_latency`.
        sustained_s: how long each model runs without a pause, in seconds; None for not at all.
        boards: names of the emulated boards on which instructions are counted.
        trust: what a file must prove first; None as the environment asks.
    """

    threads: int = 1
    rounds: int = DEFAULT_ROUNDS
    sustained_s: float | None = None
    boards: tuple[str, ...] = ()
    trust: Trust | None = None

    @property
    def verify(self) -> bool:
        """Whether files are held against their digests."""
        return self.trust is None or self.trust.verify


@dataclass(frozen=True)
class Measured:
    """The results with their costs, and what the machine was like; None where nothing was timed."""

    results: tuple[ModelResult, ...]
    conditions: Conditions | None


@dataclass(frozen=True)
class _Timed:
    latencies: Mapping[str, Latency]
    throughputs: Mapping[str, Throughput]
    sustained: Mapping[str, Sustained]
    conditions: Conditions | None


def measure_models(
    results: Sequence[ModelResult],
    paths: Sequence[Path],
    split: Split,
    options: MeasureOptions,
    *,
    kept: Kept | None = None,
    progress: Progress = silent,
) -> Measured:
    """Add what exported models cost to their results.

    A Keras model has no costs: it is the reference for accuracy, and no device would run it.

    Args:
        results: what `evaluate_models` returned.
        paths: of the models, in any order; saved predictions have none.
        split: its first images are what the models are timed on.
        options: what is measured.
        kept: what an earlier benchmark has finished.
        progress: told of every step.

    Raises:
        EdgeError: a model cannot be run, here, in a fresh process or on a board; or there is no such board.
    """
    boards = [find_board(name) for name in options.boards]
    exported = {model_name(path): path for path in paths if path.suffix in SUFFIXES}
    digests = {result.answers.name: result.answers.sha256 for result in results}
    cold_starts, counts = {}, {}
    for done, (name, path) in enumerate(exported.items()):
        progress("measuring cold start and memory", done, len(exported))
        cold_starts[name] = _cold_start(path, digests[name], options, kept)
    progress("measuring cold start and memory", len(exported), len(exported))
    if boards and exported:
        counts = _count_instructions(exported, digests, split.images[:BOARD_IMAGES], boards, options, kept, progress)
    timed = _time(exported, split.images[:_TIMED_IMAGES], options, progress)
    added = [
        replace(
            result,
            latency=timed.latencies.get(result.answers.name),
            throughput=timed.throughputs.get(result.answers.name),
            sustained=timed.sustained.get(result.answers.name),
            cold_start=cold_starts.get(result.answers.name),
            boards=counts.get(result.answers.name, ()),
        )
        for result in results
    ]
    return Measured(tuple(added), timed.conditions)


def _cold_start(path: Path, sha256: str, options: MeasureOptions, kept: Kept | None) -> ColdStart:
    def measure() -> ColdStart:
        return measure_cold_start(path, threads=options.threads, verify=options.verify)

    if kept is None:
        return measure()
    depends_on = {"model": sha256, "threads": options.threads}
    return kept.figures("start", depends_on, measure, lambda content: ColdStart(**content))


def _count_instructions(
    exported: Mapping[str, Path],
    digests: Mapping[str, str],
    images: npt.NDArray[np.uint8],
    boards: Sequence[Board],
    options: MeasureOptions,
    kept: Kept | None,
    progress: Progress,
) -> dict[str, tuple[BoardMeasurement, ...]]:
    sysroot = prepare(progress=progress)
    counts: dict[str, tuple[BoardMeasurement, ...]] = {}
    stage, total = "counting instructions on emulated boards", len(exported)

    def count(path: Path) -> tuple[BoardMeasurement, ...]:
        return tuple(measure_boards([path], images, boards, sysroot, trust=options.trust))

    for done, (name, path) in enumerate(exported.items()):
        progress(stage, done, total)
        depends_on = {"model": digests[name], "boards": [board.name for board in boards], "images": len(images)}
        counts[name] = (
            count(path)
            if kept is None
            else kept.figures(f"boards-{name}", depends_on, lambda path=path: count(path), _read_boards)  # type: ignore[misc]
        )
    progress(stage, total, total)
    return counts


def _read_boards(content: Any) -> tuple[BoardMeasurement, ...]:
    fields = BoardMeasurement.__dataclass_fields__
    return tuple(BoardMeasurement(**{name: entry[name] for name in fields}) for entry in content)


def _time(
    exported: Mapping[str, Path], images: npt.NDArray[np.uint8], options: MeasureOptions, progress: Progress
) -> _Timed:
    """Time all models in one process, in turns."""
    if not exported:
        return _Timed({}, {}, {}, None)
    with ExitStack() as stack:
        opened = {
            name: open_runner(path, threads=options.threads, trust=options.trust) for name, path in exported.items()
        }
        runners = {name: stack.enter_context(runner) for name, runner in opened.items()}
        watch = Watch()
        latencies = measure_latency(runners, images, rounds=options.rounds, observe=watch.look, progress=progress)
        throughputs = measure_throughput(runners, images, progress=progress)
        conditions = watch.finish()
        sustained = {}
        if options.sustained_s is not None:
            for name, runner in runners.items():
                sustained[name] = measure_sustained(
                    runner, images, seconds=options.sustained_s, name=name, progress=progress
                )
    return _Timed(latencies, throughputs, sustained, conditions)
