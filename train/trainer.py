"""The training loop: options in, a run folder out; whatever kills it loses at most one epoch."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..benchmarks.evaluation import Evaluation, evaluate
from ..benchmarks.pictures import save_evaluation
from ..common.closing import Closing
from ..common.errors import EdgeError
from ..common.files import atomic_path, require_place_for, require_writable, write_json
from ..common.locks import FolderLock
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split, load_split
from ..dataset.folds import Fold
from ..dataset.sources import DATASET_SHA256
from .averaging import KeepTrainedWeights, averaged
from .base import begin_with, blend_with, describe_base, find_base
from .batches import training_batches, validation_batches
from .building import build_model, compile_model
from .callbacks import ProgressCallback, ScheduleCallback
from .distillation import Teachers, describe_teacher, find_teacher, teacher_answers
from .event_log import EventLog
from .fused import fused
from .holdout import require_kept_out
from .keras_model import KerasRunner, load_keras_model
from .options import TrainOptions
from .pictures import save_curves, save_misclassified
from .precision import settled
from .rounding import begin_rounding, is_twin, plain
from .run_folder import EpochRecord, RunFolder
from .sides import as_finished

Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainingData(Closing):
    """What training may see.

    Attributes:
        train: one split.
        validation: the other.
        taught: the teachers' answers to the first, float32 ``(n, 10)``, or the teachers; None where there are none.
    """

    train: Split
    validation: Split
    taught: npt.NDArray[np.float32] | Teachers | None

    @classmethod
    def load(cls, data_dir: Path | None, options: TrainOptions, progress: Progress) -> TrainingData:
        """Load both splits, of the training split only what `options` allow, and ask the teacher, or have it ready."""
        holdout = options.holdout
        train = load_split("train", data_dir, holdout=holdout, progress=progress)
        if options.fold is not None:
            train = train.without(Fold.parse(options.fold))
        train = train.first(options.limit)
        validation = load_split("validation", data_dir, holdout=holdout)
        if options.teacher and options.consistent_teacher:
            return cls(train, validation, Teachers.open(options))
        return cls(train, validation, teacher_answers(options, train, progress))

    def close(self) -> None:
        """Free the teachers."""
        if isinstance(self.taught, Teachers):
            self.taught.close()


def start(
    options: TrainOptions,
    path: Path,
    *,
    data_dir: Path | None = None,
    event_log: bool = False,
    progress: Progress = silent,
    report: Report = print,
) -> RunFolder:
    """Train a fresh model, or one that begins with the weights of another, into the folder `path`.

    Args:
        options: of the training.
        path: the run folder, new or empty.
        data_dir: where the dataset is; None looks in the usual places.
        event_log: write what TensorBoard shows, too.
        progress: told of every step.
        report: told of every epoch, in one line.

    Raises:
        EdgeError: a training was begun there, or a model lies there; the folder cannot be written, or is moved or
            deleted meanwhile; the architecture, the base or the teacher cannot be used, or was trained on images that
            this training would validate on; or the data cannot be had.
    """
    folder = RunFolder(path)
    _require_new(folder)
    require_place_for(path)  # before the teachers are asked, which takes minutes
    options = settled(options)
    keras.utils.set_random_seed(options.seed)
    model = _begin(options)
    require_kept_out(_learnt_from(options), options)
    data = TrainingData.load(data_dir, options, progress)
    with data, FolderLock(require_writable(path), purpose="training") as lock:
        _require_new(folder)  # another process may have begun one meanwhile
        write_json(folder.config, _describe(options, data))
        events = EventLog.of(folder, wanted=event_log)
        return _Run(folder, lock, options, data, model, [], events, progress, report).complete()


def resume(
    path: Path,
    *,
    data_dir: Path | None = None,
    event_log: bool = False,
    progress: Progress = silent,
    report: Report = print,
) -> RunFolder:
    """Go on with the training in `path` after its last whole epoch, with the options it was begun with.

    Args:
        path: the run folder.
        data_dir: as in `start`.
        event_log: as in `start`.
        progress: as in `start`.
        report: as in `start`.

    Raises:
        EdgeError: no training was begun there, it is finished, another process goes on with it, its files are damaged,
            or its teacher has changed, or its base before the first epoch.
    """
    folder = RunFolder(path)
    options = _read_options(folder)
    with FolderLock(require_writable(path), purpose="training") as lock:
        if folder.is_settled():
            raise EdgeError(f"{path} is finished", hint="begin another: fmnist-edge train")
        if folder.is_finished():
            folder.settle()
            return folder
        with TrainingData.load(data_dir, options, progress) as data:
            _require_same_teacher(folder, options)
            keras.utils.set_random_seed(options.seed)
            model, history = _where_it_stands(folder, options)
            events = EventLog.of(folder, wanted=event_log)
            return _Run(folder, lock, options, data, model, history, events, progress, report).complete()


def _require_new(folder: RunFolder) -> None:
    if folder.is_started() or folder.is_finished():
        hint = f"train --resume --out {folder.path}, or another --out"
        raise EdgeError(f"{folder.path} holds a training run already", expected="a new folder", hint=hint)


def _begin(options: TrainOptions) -> keras.Model:
    model = build_model(options)
    if options.base is not None:
        begin_with(model, options.base, options.arch)
    quick = fused(model, options.precision)
    compile_model(quick, options)
    return quick


def _learnt_from(options: TrainOptions) -> list[Path]:
    """Return the files of the base and the teachers."""
    base = [] if options.base is None else [find_base(options.base)]
    return base + [find_teacher(name) for name in options.teacher]


def _read_options(folder: RunFolder) -> TrainOptions:
    try:
        return TrainOptions(**folder.read_config()["options"])
    except (AttributeError, TypeError) as error:
        expected = "the options of this version of fmnist-edge"
        raise EdgeError(f"cannot resume with {folder.config}", expected=expected, got=str(error)) from error


def _require_same_teacher(folder: RunFolder, options: TrainOptions) -> None:
    """Check that the teacher is still the one that the run was begun with."""
    began = folder.read_config().get("teacher", [])
    now = describe_teacher(options.teacher)
    if began != now:
        files = ", ".join(entry["file"] for entry in now)
        hint = "put the file back, or begin another training"
        raise EdgeError(f"{files} has changed since the run was begun", expected="the same teacher", hint=hint)


def _require_same_base(folder: RunFolder, options: TrainOptions) -> None:
    """Check that the base is still the one that the run was begun with; it is needed to begin, and for its share."""
    if options.base is not None and folder.read_config().get("base") != describe_base(options.base):
        hint = "put the file back, or begin another training"
        raise EdgeError(f"{options.base} has changed since the run was begun", expected="the same base", hint=hint)


def _describe(options: TrainOptions, data: TrainingData) -> dict[str, Any]:
    packages = ("tensorflow", "keras", "numpy", "fmnist-edge")
    return {
        "options": asdict(options),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "dataset": {
            "sha256": DATASET_SHA256,
            "train": {"n": len(data.train), "sha256": data.train.sha256},
            "validation": {"n": len(data.validation), "sha256": data.validation.sha256},
        },
        **({"teacher": describe_teacher(options.teacher)} if options.teacher else {}),
        **({"base": describe_base(options.base)} if options.base is not None else {}),
    }


def _where_it_stands(folder: RunFolder, options: TrainOptions) -> tuple[keras.Model, list[EpochRecord]]:
    """Return model and history after the last whole epoch; a new model where there is none."""
    checkpoint = folder.newest_checkpoint()
    if checkpoint is not None:
        return _load_checkpoint(*checkpoint, folder.read_history())
    _require_same_base(folder, options)
    return _begin(options), []


def _load_checkpoint(path: Path, epoch: int, history: list[EpochRecord]) -> tuple[keras.Model, list[EpochRecord]]:
    hint = "begin another training"
    if len(history) < epoch:
        raise EdgeError(f"the history of {path} is gone", expected=f"{epoch} epochs", got=str(len(history)), hint=hint)
    try:
        return keras.models.load_model(path, safe_mode=True), history[:epoch]
    except Exception as error:  # Keras lets KeyError, OSError, TypeError, ValueError and zipfile's own through
        raise EdgeError(f"cannot load {path}", expected="a whole checkpoint", got=str(error), hint=hint) from error


@dataclass
class _Run:
    """A training that goes on from where `model` and `history` stand."""

    folder: RunFolder
    lock: FolderLock
    options: TrainOptions
    data: TrainingData
    model: keras.Model
    history: list[EpochRecord]
    event_log: EventLog
    progress: Progress
    report: Report

    def complete(self) -> RunFolder:
        """Train what is left of the epochs, and write what a finished run holds."""
        durations: list[float] = []
        while len(self.history) < self.options.epochs and not self._out_of_patience():
            record = self._train_epoch(len(self.history) + 1)
            self.history.append(record)
            self._keep(record)
            durations.append(record.seconds)
            self.report(f"{_line(record, self.options)}{self._left(durations)}")
        self._finish()
        return self.folder

    def _out_of_patience(self) -> bool:
        patience = self.options.patience
        return patience is not None and epochs_since_best(self._candidates()) >= patience

    def _candidates(self) -> list[EpochRecord]:
        """Return the epochs that may be kept: where some round, one of them, because the others do not know of it."""
        return self.history[self.options.float_epochs :] if self.options.quantize_epochs else self.history

    def _left(self, durations: list[float]) -> str:
        """Say how long the epochs to come will take, by the mean of the last three."""
        epochs = self.options.epochs - len(self.history)
        if not epochs or self._out_of_patience():
            return ""
        recent = durations[-3:]
        at_most = "at most " if self.options.patience is not None else ""
        return f"; {at_most}{duration(epochs * sum(recent) / len(recent))} to go"

    def _train_epoch(self, epoch: int) -> EpochRecord:
        began_s = time.perf_counter()
        options, data = self.options, self.data
        if epoch > options.float_epochs and not is_twin(self.model):
            self.model = begin_rounding(self.model, options, data.train.images)
        # Order, changes and dropout depend on seed and epoch alone, so that a resumed run does what an unbroken one
        # would have done.
        _seed_dropout(self.model, options.seed, epoch)
        batches = training_batches(data.train, options, epoch=epoch, taught=data.taught)
        steps = -(-len(data.train) // options.batch_size)
        callbacks = [
            ScheduleCallback(options, done=(epoch - 1) * steps, steps=options.epochs * steps),
            ProgressCallback(self.progress, f"epoch {epoch}/{options.epochs}", steps),
            *([KeepTrainedWeights()] if options.weight_average else []),
        ]
        fitted = self.model.fit(
            batches, epochs=epoch, initial_epoch=epoch - 1, verbose=0, shuffle=False, callbacks=callbacks
        )
        with averaged(self.model, self.data.train.images):
            val_loss, val_accuracy = self.model.evaluate(validation_batches(data.validation, options), verbose=0)
        return EpochRecord(
            epoch=epoch,
            loss=float(fitted.history["loss"][0]),
            accuracy=float(fitted.history["accuracy"][0]),
            val_loss=float(val_loss),
            val_accuracy=float(val_accuracy),
            seconds=round(time.perf_counter() - began_s, 2),
        )

    def _keep(self, record: EpochRecord) -> None:
        """Write what a killed run goes on from: the best model so far where it is asked for, then the checkpoint."""
        self.lock.require_in_place()
        self.event_log.write(record, float(self.model.optimizer.learning_rate))
        if self.options.patience is not None and epochs_since_best(self._candidates()) == 0:
            with averaged(self.model, self.data.train.images), atomic_path(self.folder.best) as temporary:
                plain(self.model).save(temporary)
        self.folder.save_checkpoint(self.model.save, self.history)

    def _finish(self) -> None:
        """Score the model on the validation split, write metrics, pictures and, last, the model without optimizer."""
        self.lock.require_in_place()
        folder, validation = self.folder, self.data.validation
        chosen, record = self._chosen()
        model = self._product_of(chosen)
        probabilities = KerasRunner(model).infer(validation.images)
        evaluation = evaluate(probabilities.argmax(axis=1), validation.labels, LABELS)
        write_json(folder.metrics, _metrics(model, evaluation, record))
        title = f"{model.name}, validation split, {evaluation.n:,} images: accuracy {evaluation.accuracy:.2%}"
        save_evaluation(evaluation, folder.path / "confusion_matrix.png", title=title)
        save_misclassified(validation, probabilities, folder.path / "misclassified.png", seed=self.options.seed)
        save_curves(self.history, folder.path / "training.png")
        with atomic_path(folder.model) as temporary:
            model.save(temporary)
        folder.settle()

    def _product_of(self, model: keras.Model) -> keras.Model:
        """Return what is saved of the trained `model`: with the share of its base, and both sides, as is asked for."""
        options = self.options
        if options.base is not None and options.base_share:
            _require_same_base(self.folder, options)
            blend_with(model, options.base, options.base_share)
        return as_finished(model, options)

    def _chosen(self) -> tuple[keras.Model, EpochRecord]:
        """Return the model to save, without optimizer, and its record: the best one with patience, else the last."""
        if self.options.patience is not None:
            return load_keras_model(self.folder.best), self.history[-1 - epochs_since_best(self._candidates())]
        with averaged(self.model, self.data.train.images):
            return plain(self.model), self.history[-1]


def epochs_since_best(history: list[EpochRecord]) -> int:
    """Count the epochs after the one of the best validation accuracy, the first of equals; 0 for no epochs.

    >>> epochs_since_best([EpochRecord(n, 0, 0, 0, accuracy, 0) for n, accuracy in enumerate([0.7, 0.9, 0.9, 0.8])])
    2
    """
    best = max(range(len(history)), key=lambda index: history[index].val_accuracy, default=-1)
    return len(history) - 1 - best if history else 0


def duration(seconds: float) -> str:
    """Write a time for people.

    >>> duration(59.4), duration(61), duration(3600), duration(9000)
    ('59 s', '1 min', '60 min', '2.5 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _line(record: EpochRecord, options: TrainOptions) -> str:
    rounded = " (rounded)" if record.epoch > options.float_epochs else ""
    return (
        f"epoch {record.epoch}/{options.epochs}{rounded}: loss {record.loss:.4f}, accuracy {record.accuracy:.2%}, "
        f"validation loss {record.val_loss:.4f}, accuracy {record.val_accuracy:.2%}, {record.seconds:.0f} s"
    )


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the random states of the layers: Keras does not keep them in a checkpoint."""
    for position, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.random.default_rng([seed, epoch, position]).integers(2**31, size=2))


def _metrics(model: keras.Model, evaluation: Evaluation, record: EpochRecord) -> dict[str, Any]:
    return {
        "parameters": int(model.count_params()),
        "training": asdict(record),
        "validation": evaluation.as_json(),
    }
