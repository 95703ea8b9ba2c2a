"""Run the trials of a study: choose options, build, weigh, train, and tell the storage; nothing finished is lost."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.trial import Trial, TrialState

from ...common.errors import EdgeError, one_line
from ...common.files import read_json, remove_leftovers, require_writable
from ...common.progress import Progress, silent
from ...dataset import load_split
from .. import trainer
from ..architectures import load_architecture
from ..building import build_model
from ..options import TrainOptions
from ..run_folder import RunFolder
from ..sides import as_finished
from .objectives import ACCURACY, PARAMETERS, Objective
from .outcome import FRONT
from .space import Space
from .storage import FOLDER, Identity, ask_for_one, bury, is_single, open_study, quiet, reachable, requeue
from .trials import DONE, ENDED, FAILED, RUNNING, TrialRecord, front, read_trials

Costs = Callable[[keras.Model], dict[str, float]]
"""From an untrained model to its costs, by the names of objectives."""
_MOST_FAILURES = 5
"""So many failed trials in a row are no bad luck."""


@dataclass
class Search:
    """One process that works on a study.

    Attributes:
        study: that it works on.
        url: of its storage.
        objectives: of the study.
        space: that it chooses from.
        folder: where trials leave their run folders.
        costs: of a model; called when an objective asks for more than accuracy and parameters.
        data_dir: where the dataset is; None looks in the usual places.
        progress: told of every step of a training.
        report: told of every trial, in one line.
    """

    study: optuna.Study
    url: str
    objectives: tuple[Objective, ...]
    space: Space
    folder: Path
    costs: Costs
    data_dir: Path | None = None
    progress: Progress = silent
    report: Callable[[str], None] = print
    _seconds: list[float] = field(default_factory=list)
    _failures: int = 0
    _running: int | None = None

    def run(self, *, trials: int | None, minutes: float | None) -> None:
        """Run trials until the study has `trials` of them, or for `minutes`; the last one is finished.

        Raises:
            EdgeError: several trials in a row failed, or the storage went away.
            KeyboardInterrupt: as it came; the trial that it ended is run again by whoever goes on.
        """
        began_s = time.monotonic()
        with reachable(self.url):
            while self._wants_more(trials) and (minutes is None or time.monotonic() - began_s < 60 * minutes):
                self._run_one()
                self.report(self._line(trials))
                self._require_some_success()

    def _wants_more(self, trials: int | None) -> bool:
        bury(self.study)
        states = [record.state for record in read_trials(self.study, self.objectives)]
        return trials is None or sum(state in (*ENDED, RUNNING) for state in states) < trials

    def _run_one(self) -> None:
        self._running = None
        ask_for_one(self.study)
        with quiet():
            try:
                self.study.optimize(self._try, n_trials=1, catch=(Exception,))
            except KeyboardInterrupt:
                self._requeue_interrupted()
                raise
            except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
                if not self._was_taken_for_dead():
                    raise

    def _was_taken_for_dead(self) -> bool:
        """Tell whether another process ended our trial: this machine slept, or was away for too long."""
        return self._running is not None and self.study.get_trials(deepcopy=False)[self._running].state.is_finished()

    def _requeue_interrupted(self) -> None:
        if self._running is not None:
            trial = self.study.get_trials(deepcopy=False)[self._running]
            if trial.state == TrialState.FAIL:
                requeue(self.study, trial)

    def _try(self, trial: Trial) -> list[float]:
        began_s, self._running = time.monotonic(), trial.number
        try:
            options = self.space.suggest(trial)
            trial.set_user_attr("options", asdict(options))
            values = self._measure(trial, options)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            kind = "" if isinstance(error, EdgeError) else f"{type(error).__name__}: "
            trial.set_user_attr("error", one_line(f"{kind}{error}"))
            raise
        self._seconds.append(time.monotonic() - began_s)
        return [values[objective.name] for objective in self.objectives]

    def _measure(self, trial: Trial, options: TrainOptions) -> dict[str, float]:
        """Return the values of one trial by objective."""
        keras.backend.clear_session()
        model = build_model(options)
        parameters = int(model.count_params())
        trial.set_user_attr(PARAMETERS, parameters)
        costs = self._weigh(trial, options, as_finished(model, options))
        del model
        keras.backend.clear_session()
        return {ACCURACY: self._train(trial, options), PARAMETERS: parameters, **costs}

    def _weigh(self, trial: Trial, options: TrainOptions, model: keras.Model) -> dict[str, float]:
        """Return the costs of `model`: those of an earlier trial of the same shape, or measured."""
        if not any(objective.needs_export for objective in self.objectives):
            return {}
        shape = {name: getattr(options, name) for name in ("arch", "arch_options", "both_sides")}
        known = (other.user_attrs for other in self.study.get_trials(deepcopy=False))
        alike = (seen["costs"] for seen in known if "costs" in seen and seen["options"].items() >= shape.items())
        found = next(alike, None)
        costs: dict[str, float] = self.costs(model) if found is None else found
        trial.set_user_attr("costs", costs)
        return costs

    def _train(self, trial: Trial, options: TrainOptions) -> float:
        """Train, or go on with what a killed process began, and return the validation accuracy."""
        name = trial.user_attrs.get(FOLDER, f"trial-{trial.number:04d}")
        trial.set_user_attr(FOLDER, name)
        folder = RunFolder(self.folder / name)
        if not folder.is_finished():
            told = functools.partial(self._tell_epoch, trial, folder, options)
            shared: dict[str, Any] = {"data_dir": self.data_dir, "progress": self.progress, "report": told}
            if folder.is_started():
                trainer.resume(folder.path, **shared)
            else:
                trainer.start(options, folder.path, **shared)
        return float(read_json(folder.metrics)["validation"]["accuracy"])

    def _tell_epoch(self, trial: Trial, folder: RunFolder, options: TrainOptions, line: str) -> None:
        """Say how long trials take; where accuracy is all, give up one that is worse than most were by now."""
        record = folder.read_history()[-1]
        if not self._seconds and record.epoch == 1 and options.epochs > 1:
            whole = trainer.duration(record.seconds * options.epochs)
            self.report(
                f"trial {trial.number}: an epoch took {record.seconds:.0f} s, so all {options.epochs} take {whole}"
            )
        if is_single(self.objectives):
            trial.report(record.val_accuracy, record.epoch)
            if trial.should_prune():
                folder.clear_checkpoints()
                raise optuna.TrialPruned(f"after epoch {record.epoch}")

    def _line(self, trials: int | None) -> str:
        """Say how the last trial went, and how long the others will take."""
        records = read_trials(self.study, self.objectives)
        last = records[self._running or 0]
        self._failures = self._failures + 1 if last.state == FAILED else 0
        ended = sum(record.state in ENDED for record in records)
        others = sum(record.state == RUNNING for record in records)
        said = f"trial {last.number}: {describe(last, records, self.objectives)}"
        if trials is None or ended >= trials or not self._seconds:
            return f"{said}; {ended} done"
        left_s = (trials - ended) * sum(self._seconds[-5:]) / len(self._seconds[-5:]) / (1 + others)
        return f"{said}; {ended} of {trials} done, {trainer.duration(left_s)} to go"

    def _require_some_success(self) -> None:
        if self._failures < _MOST_FAILURES:
            return
        last = read_trials(self.study, self.objectives)[self._running or 0]
        hint = "mend it; the same command goes on"
        raise EdgeError(f"{self._failures} trials in a row failed", got=last.error, hint=hint)


def begin(
    url: str,
    name: str,
    objectives: tuple[Objective, ...],
    space: Space,
    folder: Path,
    *,
    costs: Costs,
    data_dir: Path | None = None,
    progress: Progress = silent,
    report: Callable[[str], None] = print,
) -> Search:
    """Begin the study `name`, or join it, after everything was checked that can be before a trial.

    Args:
        url: of the storage.
        name: of the study.
        objectives: what is wanted.
        space: what is searched.
        folder: for the run folders of the trials.
        costs: see `Search`.
        data_dir: likewise.
        progress: likewise.
        report: likewise.

    Raises:
        EdgeError: the architecture does not take what is searched, the data cannot be had, the folder cannot be
            written or holds the trials of another study, or `storage.open_study` refuses.
    """
    space.check_arguments(load_architecture)
    splits = ("train", "validation")
    data = {split: load_split(split, data_dir, progress=progress).sha256 for split in splits}  # type: ignore[arg-type]
    require_writable(folder)
    for place in (folder, folder / FRONT, *folder.glob("trial-*")):
        if place.is_dir():
            remove_leftovers(place)  # also of a trial that is given up, which no training comes back to
    study = open_study(url, name, objectives, Identity(tuple(o.name for o in objectives), space.as_json(), data))
    if not study.get_trials(deepcopy=False) and any(folder.glob("trial-*")):
        hint = "name another --out, or move it away"
        raise EdgeError(f"{folder} holds trials that are not of the study {name}", expected="none", hint=hint)
    return Search(study, url, objectives, space, folder, costs, data_dir, progress, report)


def describe(record: TrialRecord, records: list[TrialRecord], objectives: tuple[Objective, ...]) -> str:
    """Say how a trial went."""
    if record.state != DONE:
        return f"{record.state}: {record.error}" if record.error else record.state
    values = ", ".join(f"{entry.name} {entry.text(record.values[entry.name])}" for entry in objectives)
    place = "; on the front" if record in front(records, objectives) else ""
    return f"{values}; {trainer.duration(record.seconds or 0)}{place}"
