"""The command `tune`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress, silent
from .shared import DataDir, Json, fail, print_json, say

if TYPE_CHECKING:
    from ..train.tuning.objectives import Objective
    from ..train.tuning.search import Costs, Search
    from ..train.tuning.space import Space

_TRIALS = 30


def tune(
    space: Annotated[Path | None, typer.Option(help="TOML file that says what is searched (a built-in one).")] = None,
    study: Annotated[str, typer.Option(help="Name of the search; the same name goes on with it.")] = "search",
    storage: Annotated[
        str | None, typer.Option(help="Database that several processes or machines share (OUT/study.db).")
    ] = None,
    objectives: Annotated[
        str, typer.Option(help="What is wanted: accuracy, and of size, parameters, macs, instructions what counts.")
    ] = "accuracy,size",
    board: Annotated[
        str | None, typer.Option(help="Emulated boards that instructions are counted on: pi3,zero2w,pi4,pi5.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Until the search has so many trials (30); 0 shows what there is.", min=0)
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Begin no trial after so many minutes.", min=0)] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every trial; what the space says if left out.")] = None,
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only, for a quick try.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The quick variant of the space.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for trials, table and pictures (runs/tune/STUDY).")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Search architecture and recipe for the most accuracy at the least cost, on the validation images.

    The same command goes on with a search, or joins it from another process. Example: fmnist-edge tune --minutes 60
    """
    from ..train.tuning import require_optuna

    require_optuna()
    folder = out or Path("runs") / "tune" / _plain(study)
    url = storage or f"sqlite:///{folder / 'study.db'}"
    interrupted = False
    if trials != 0:
        boards = [name.strip() for name in board.split(",") if name.strip()] if board else []
        search = _begin(url, study, _space(space, epochs, limit, quick=quick), objectives, boards, folder, data_dir)
        try:
            search.run(trials=_TRIALS if trials is None and minutes is None else trials, minutes=minutes)
        except KeyboardInterrupt:
            interrupted = True
    _show(url, study, folder, as_json=as_json)
    if interrupted:
        fail("interrupted; the same command goes on")
        raise typer.Exit(130)


def _plain(study: str) -> str:
    if not study.replace("-", "").replace("_", "").isalnum():
        raise EdgeError("a study's name is a folder's, too", expected="letters, digits, - and _", got=repr(study))
    return study


def _space(path: Path | None, epochs: int | None, limit: int | None, *, quick: bool) -> Space:
    from ..train.tuning.space import read_space

    return read_space(path, quick=quick).fix(epochs=epochs, limit=limit)


def _begin(
    url: str, study: str, space: Space, objectives: str, boards: list[str], folder: Path, data_dir: Path | None
) -> Search:
    """Check everything that can be checked, and join the study."""
    from ..train.tuning.objectives import parse_objectives

    wanted = parse_objectives(objectives, boards)
    _require_boards(boards)
    costs = _costs(wanted, boards, data_dir)
    from ..train.tuning.search import begin

    progress = ConsoleProgress() if sys.stderr.isatty() else silent
    return begin(url, study, wanted, space, folder, costs=costs, data_dir=data_dir, progress=progress, report=say)


def _require_boards(boards: list[str]) -> None:
    if boards:
        from ..benchmarks.boards.board import find_board
        from ..benchmarks.boards.tools import require_tools

        for name in boards:
            find_board(name)
        require_tools()


def _costs(objectives: tuple[Objective, ...], boards: list[str], data_dir: Path | None) -> Costs:
    """Return what weighs a model; exporting is not imported where nobody asks for what files cost."""
    if not any(objective.needs_export for objective in objectives):
        from ..train import require_tensorflow

        require_tensorflow()
        return lambda model: {}
    from ..export import require_converters

    require_converters()
    from ..export.cost import CostMeter

    return CostMeter(boards, data_dir, ConsoleProgress()).measure


def _show(url: str, study: str, folder: Path, *, as_json: bool) -> None:
    """Write table, TOML files and pictures of all trials that there are, and print what they come to."""
    from ..benchmarks.tables import as_markdown
    from ..train.tuning import outcome
    from ..train.tuning.trials import front, read_study

    records, objectives = read_study(url, study)
    outcome.write_outcome(records, objectives, folder)
    if as_json:
        print_json({"study": study, **outcome.as_json(records, objectives, folder)})
        return
    best = outcome.front_table(records, objectives)
    if best.rows:
        print(as_markdown(best))
        config = outcome.toml_path(folder, front(records, objectives)[0])
        print(f"train the first one again: fmnist-edge train --config {config}")
    print(f"{outcome.counts_line(records)}; all of them, and pictures: {folder}")
