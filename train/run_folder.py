"""The run folder: everything that one training leaves behind, under fixed names.

``config.json`` is written first and ``model.keras`` last, so that a folder with a model is a finished run and a folder
with only a configuration can be resumed.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..common.box import NAMES, in_the_box
from ..common.errors import EdgeError
from ..common.files import atomic_path, point_link, read_json, read_text, remove_leftovers, write_text
from ..common.locks import is_locked

RUNS = Path("runs")
LATEST = RUNS / "latest"
_CHECKPOINT = re.compile(r"checkpoint-(\d{4})\.keras")


@dataclass(frozen=True)
class EpochRecord:
    """One line of history.csv: losses and accuracies (in [0, 1]) after an epoch, and the seconds it took."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass(frozen=True)
class RunFolder:
    """The files of one training run."""

    path: Path

    @property
    def model(self) -> Path:
        """The trained model, without optimizer state."""
        return self.path / "model.keras"

    @property
    def config(self) -> Path:
        """Options, seed, versions and dataset hash."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """Scores of the finished model on the validation split."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """Losses and accuracies by epoch."""
        return self.path / "history.csv"

    @property
    def best(self) -> Path:
        """The best model so far of a run that may stop early; gone when the run is finished."""
        return self.path / "best.keras"

    @property
    def events(self) -> Path:
        """What TensorBoard shows, where it was asked for."""
        return self.path / "tensorboard"

    def is_finished(self) -> bool:
        """Tell whether the training came to its end."""
        return self.model.is_file()

    def is_settled(self) -> bool:
        """Tell whether nothing is left to do: a training may be killed when only its checkpoints are still there."""
        return self.is_finished() and self.newest_checkpoint() is None

    def is_started(self) -> bool:
        """Tell whether a training was begun here."""
        return self.config.is_file()

    def save_checkpoint(self, save: Callable[[Path], None], history: list[EpochRecord]) -> None:
        """Keep the state after an epoch: history first, then the checkpoint, whose name says which epoch counts."""
        self.write_history(history)
        path = self.path / f"checkpoint-{history[-1].epoch:04d}.keras"
        with atomic_path(path) as temporary:
            save(temporary)
        self.clear_checkpoints(keep=path)

    def newest_checkpoint(self) -> tuple[Path, int] | None:
        """Return the newest checkpoint and its epoch, or None."""
        found = [(path, int(match[1])) for path in self.path.iterdir() if (match := _CHECKPOINT.fullmatch(path.name))]
        return max(found, key=lambda entry: entry[1], default=None)

    def clear_checkpoints(self, keep: Path | None = None) -> None:
        """Delete checkpoints, and what a killed process left half-written."""
        for path in self.path.iterdir():
            if path != keep and _CHECKPOINT.fullmatch(path.name):
                path.unlink(missing_ok=True)
        remove_leftovers(self.path)

    def settle(self) -> None:
        """Do what remains when the model is there: point to it, then delete what a resumed run would have needed."""
        self.make_latest()
        self.best.unlink(missing_ok=True)
        self.clear_checkpoints()

    def write_history(self, history: list[EpochRecord]) -> None:
        """Write history.csv."""
        out = io.StringIO()
        writer = csv.DictWriter(out, [field.name for field in fields(EpochRecord)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in history)
        write_text(self.history, out.getvalue())

    def read_history(self) -> list[EpochRecord]:
        """Read history.csv; an empty list where there is none.

        Raises:
            EdgeError: the file is not what `write_history` writes.
        """
        if not self.history.is_file():
            return []
        expected = "epoch,loss,accuracy,val_loss,val_accuracy,seconds"
        text = read_text(self.history, expected=expected)
        try:
            return [_record(row) for row in csv.DictReader(text.splitlines())]
        except (KeyError, ValueError, TypeError, csv.Error) as error:
            raise EdgeError(f"cannot read {self.history}", expected=expected, got=str(error)) from error

    def read_config(self) -> dict[str, Any]:
        """Read config.json.

        Raises:
            EdgeError: no training was begun here, or the file is damaged.
        """
        if not self.is_started():
            hint = "run: fmnist-edge train"
            raise EdgeError(f"no training run in {self.path}", expected="a config.json", got="none", hint=hint)
        content = read_json(self.config)
        if not isinstance(content, dict) or not isinstance(content.get("options"), dict):
            raise EdgeError(f"cannot read {self.config}", expected="an object with options", got="something else")
        return content

    def make_latest(self) -> None:
        """Let ``latest`` beside this folder point to it, unless this folder has that name itself."""
        path = self.path.absolute()
        if path.name != LATEST.name:
            point_link(path.with_name(LATEST.name), path.name)


def _record(row: dict[str, str]) -> EpochRecord:
    numbers = {name: float(row[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")}
    return EpochRecord(epoch=int(row["epoch"]), **numbers)


def new_run_path(arch: str, runs: Path = RUNS) -> Path:
    """Name a run folder by architecture and local time: ``runs/seed-20260131-235959``.

    A name that is taken gets a number: two trainings may begin in one second, and clocks are set back.
    """
    name = f"{arch}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
    return next(runs / name for name in names if not (runs / name).exists())


def unfinished_run(runs: Path = RUNS) -> RunFolder:
    """Return the one run in `runs` that was begun, is not finished, and that no process is training.

    Where there are several, the user must say which: their dates are those of a clock that may have been set back.

    Raises:
        EdgeError: there is none, or there are several.
    """
    folders = [RunFolder(path) for path in sorted(runs.iterdir()) if not path.is_symlink()] if runs.is_dir() else []
    open_runs = [folder for folder in folders if folder.is_started() and not folder.is_settled()]
    waiting = [folder for folder in open_runs if not is_locked(folder.path)]
    if not waiting:
        got = f"{len(open_runs)} that {'is' if len(open_runs) == 1 else 'are'} being trained" if open_runs else "none"
        raise EdgeError(f"nothing to resume in {runs}", expected="a run that was begun and not finished", got=got)
    if len(waiting) > 1:
        names = ", ".join(str(folder.path) for folder in waiting)
        hint = f"name one, as --resume --out {waiting[-1].path}"
        raise EdgeError(f"cannot tell what to resume in {runs}", expected="one unfinished run", got=names, hint=hint)
    return waiting[0]


def find_model(model: Path | None) -> Path:
    """Resolve what the user named to a .keras file: a file, a run folder, a network in the box, None: the latest run.

    Raises:
        EdgeError: nothing there, or a folder without a finished run.
    """
    path = model if model is not None else LATEST
    if path.is_dir():
        folder = RunFolder(path)
        if not folder.is_finished():
            hint = f"run: fmnist-edge train --resume --out {path}" if folder.is_started() else "run: fmnist-edge train"
            raise EdgeError(f"no trained model in {path}", expected="a model.keras", got="none", hint=hint)
        return folder.model
    if str(path) in NAMES and not path.exists():
        return in_the_box(str(path), ".keras")
    if not path.exists():
        hint = "run: fmnist-edge train" if model is None else "check the path"
        raise EdgeError(f"no model at {path}", expected="a .keras file or a run folder", got="nothing", hint=hint)
    return path
