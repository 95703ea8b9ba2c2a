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
import tensorflow as tf

from ..benchmarks.evaluation import Evaluation, evaluate
from ..benchmarks.pictures import save_evaluation
from ..common.errors import EdgeError
from ..common.files import atomic_path, require_writable, write_json
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split, load_split
from ..dataset.sources import DATASET_SHA256
from .architectures import load_architecture
from .keras_model import KerasRunner
from .options import TrainOptions
from .pictures import save_curves, save_misclassified
from .run_folder import EpochRecord, RunFolder

Report = Callable[[str], None]
_STEPS_BETWEEN_UPDATES = 5


@dataclass(frozen=True)
class TrainingData:
    """The two splits that training may see."""

    train: Split
    validation: Split

    @classmethod
    def load(cls, data_dir: Path | None, limit: int | None, progress: Progress) -> TrainingData:
        """Load both, and keep only the first `limit` training images."""
        train = load_split("train", data_dir, progress=progress).first(limit)
        return cls(train, load_split("validation", data_dir))


def start(
    options: TrainOptions,
    path: Path,
    *,
    data_dir: Path | None = None,
    progress: Progress = silent,
    report: Report = print,
) -> RunFolder:
    """Train a fresh model into the folder `path`.

    Raises:
        EdgeError: a training was begun there, or a model lies there; the folder cannot be written; or the data cannot
            be had.
    """
    folder = RunFolder(path)
    if folder.is_started() or folder.is_finished():
        hint = f"train --resume --out {path}, or another --out"
        raise EdgeError(f"{path} holds a training run already", expected="a new folder", hint=hint)
    require_writable(path)
    data = TrainingData.load(data_dir, options.limit, progress)
    write_json(folder.config, _describe(options, data))
    return _run(folder, options, data, progress=progress, report=report)


def resume(
    path: Path, *, data_dir: Path | None = None, progress: Progress = silent, report: Report = print
) -> RunFolder:
    """Go on with the training in `path` after its last whole epoch, with the options it was begun with.

    Raises:
        EdgeError: no training was begun there, it is finished, or its files are damaged.
    """
    folder = RunFolder(path)
    if folder.is_finished():
        raise EdgeError(f"{path} is finished", hint="begin another: fmnist-edge train")
    options = _read_options(folder)
    require_writable(path)
    data = TrainingData.load(data_dir, options.limit, progress)
    return _run(folder, options, data, progress=progress, report=report)


def _read_options(folder: RunFolder) -> TrainOptions:
    try:
        return TrainOptions(**folder.read_config()["options"])
    except TypeError as error:
        expected = "the options of this version of fmnist-edge"
        raise EdgeError(f"cannot resume with {folder.config}", expected=expected, got=str(error)) from error


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
    }


def _run(
    folder: RunFolder, options: TrainOptions, data: TrainingData, *, progress: Progress, report: Report
) -> RunFolder:
    model, history = _restore(folder, options)
    for epoch in range(len(history) + 1, options.epochs + 1):
        record = _train_epoch(model, options, data, epoch, progress)
        history.append(record)
        folder.save_checkpoint(model.save, history)
        report(
            f"epoch {epoch}/{options.epochs}: loss {record.loss:.4f}, accuracy {record.accuracy:.2%}, "
            f"validation loss {record.val_loss:.4f}, accuracy {record.val_accuracy:.2%}, {record.seconds:.0f} s"
        )
    _finish(folder, options, data, model, history)
    return folder


def _restore(folder: RunFolder, options: TrainOptions) -> tuple[keras.Model, list[EpochRecord]]:
    """Load the newest checkpoint with its history, or build and compile a fresh model."""
    keras.utils.set_random_seed(options.seed)
    checkpoint = folder.newest_checkpoint()
    if checkpoint is not None:
        return _load_checkpoint(*checkpoint, folder.read_history())
    model = load_architecture(options.arch)(classes=len(LABELS), dropout=options.dropout)
    model.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA on the CPU is 9 times slower here
    )
    return model, []


def _load_checkpoint(path: Path, epoch: int, history: list[EpochRecord]) -> tuple[keras.Model, list[EpochRecord]]:
    hint = "begin another training"
    if len(history) < epoch:
        raise EdgeError(f"the history of {path} is gone", expected=f"{epoch} epochs", got=str(len(history)), hint=hint)
    try:
        return keras.models.load_model(path, safe_mode=True), history[:epoch]
    except Exception as error:  # Keras lets KeyError, OSError, TypeError, ValueError and zipfile's own through
        raise EdgeError(f"cannot load {path}", expected="a whole checkpoint", got=str(error), hint=hint) from error


def _train_epoch(
    model: keras.Model, options: TrainOptions, data: TrainingData, epoch: int, progress: Progress
) -> EpochRecord:
    began_s = time.perf_counter()
    # Order and dropout depend on seed and epoch alone, so that a resumed run does what an unbroken one would have done.
    _seed_dropout(model, options.seed, epoch)
    order = np.random.default_rng([options.seed, epoch]).permutation(len(data.train))
    batches = _batches(data.train.take(order), options.batch_size)
    steps = -(-len(data.train) // options.batch_size)
    callback = _ProgressCallback(progress, f"epoch {epoch}/{options.epochs}", steps)
    fitted = model.fit(batches, epochs=epoch, initial_epoch=epoch - 1, verbose=0, shuffle=False, callbacks=[callback])
    val_loss, val_accuracy = model.evaluate(_batches(data.validation, 500), verbose=0)
    return EpochRecord(
        epoch=epoch,
        loss=float(fitted.history["loss"][0]),
        accuracy=float(fitted.history["accuracy"][0]),
        val_loss=float(val_loss),
        val_accuracy=float(val_accuracy),
        seconds=round(time.perf_counter() - began_s, 2),
    )


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the random states of the layers: Keras does not keep them in a checkpoint."""
    for position, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.random.default_rng([seed, epoch, position]).integers(2**31, size=2))


def _batches(split: Split, batch_size: int) -> tf.data.Dataset:
    """Batch `split` as float32 pixels ``(n, 28, 28, 1)``, 0 to 255, with int64 labels ``(n,)``."""
    dataset = tf.data.Dataset.from_tensor_slices((split.images[..., np.newaxis], split.labels)).batch(batch_size)
    return dataset.map(lambda pixels, labels: (tf.cast(pixels, tf.float32), labels)).prefetch(2)


class _ProgressCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Tell `progress` of the steps of one epoch, not of every one: each telling waits for the step's result."""

    def __init__(self, progress: Progress, stage: str, steps: int) -> None:
        super().__init__()
        self._progress, self._stage, self._steps = progress, stage, steps

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._progress(self._stage, 0, self._steps)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        done = batch + 1
        if done % _STEPS_BETWEEN_UPDATES == 0 or done == self._steps:
            self._progress(self._stage, done, self._steps)


def _finish(
    folder: RunFolder, options: TrainOptions, data: TrainingData, model: keras.Model, history: list[EpochRecord]
) -> None:
    """Score the model on the validation split, write metrics, pictures and, last, the model without optimizer."""
    runner = KerasRunner(model)
    probabilities = runner.infer(data.validation.images)
    evaluation = evaluate(probabilities.argmax(axis=1), data.validation.labels, LABELS)
    write_json(folder.metrics, _metrics(model, evaluation, history))
    title = f"{options.arch}, validation split, {evaluation.n:,} images: accuracy {evaluation.accuracy:.2%}"
    save_evaluation(evaluation, folder.path / "confusion_matrix.png", title=title)
    save_misclassified(data.validation, probabilities, folder.path / "misclassified.png", seed=options.seed)
    save_curves(history, folder.path / "training.png")
    with atomic_path(folder.model) as temporary:
        _without_optimizer(model).save(temporary)
    folder.clear_checkpoints()
    folder.make_latest()


def _without_optimizer(model: keras.Model) -> keras.Model:
    """Copy `model` uncompiled: Adam's moments would triple the file."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    return bare


def _metrics(model: keras.Model, evaluation: Evaluation, history: list[EpochRecord]) -> dict[str, Any]:
    return {
        "parameters": int(model.count_params()),
        "training": asdict(history[-1]),
        "validation": evaluation.as_json(),
    }
