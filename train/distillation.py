"""Learning from stronger models: their answers to the training pictures, mixed into the labels.

After G. Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531; the temperature is the
teacher's alone, and 1 where nothing is said. A teacher is asked once, before the training, about every picture as it
is: the changes that a training makes to pictures (a pixel to the side, a part painted over) are meant to leave the
answer as it is. Or it is asked in every epoch about what the pupil sees, which costs its work every time, and is the
only way that makes sense of mixed pictures (L. Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", arXiv 2106.05237). Several such teachers may take turns: one of them is asked about each picture, which
costs no more than one teacher and teaches the mean of all.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ..common.closing import Closing
from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split
from ..runtime.confidence import soften
from ..runtime.locate import named_model
from ..runtime.runner import SUFFIXES, Runner, open_runner
from .holdout import left_out_fold
from .keras_model import KerasRunner
from .options import TrainOptions
from .run_folder import find_model

_BATCH = 250


def teacher_answers(options: TrainOptions, split: Split, progress: Progress = silent) -> npt.NDArray[np.float32] | None:
    """Return the mean answer of the teachers that `options` name, or None where they name none.

    Where the training mirrors pictures, both sides of a picture are meant to have the same answer; so the teachers look
    at both, and know better: 95.8% instead of 95.5% of the validation images for the strong of the second generation.

    A teacher that left a fold of the training images out is asked about that fold only: what it says of the others is
    half remembered. After T. Dao et al., "Knowledge Distillation as Semiparametric Inference", arXiv 2104.09732. Where
    the training leaves out the same fold, so that there is none of it to ask about, it is asked about everything.

    Args:
        options: of the training.
        split: the training images, n of them.
        progress: told of the pictures that were looked at.

    Returns:
        float32 ``(n, 10)``.

    Raises:
        EdgeError: a file cannot be loaded, or has other classes than the dataset; or there are images that all teachers
            were trained on though some left a fold out.
    """
    if not options.teacher:
        return None
    paths = [find_teacher(name) for name in options.teacher]
    asked = [_asked_about(path, split, options.fold) for path in paths]
    _require_answers(asked, len(split))
    answers = np.zeros((len(split), len(LABELS)), np.float32)
    done, total = 0, sum(map(len, asked))
    with Teachers.of(paths) as teachers:  # all are opened before the first is asked for minutes
        for runner, positions in zip(teachers.runners, asked, strict=True):
            for start in range(0, len(positions), _BATCH):
                part = positions[start : start + _BATCH]
                answers[part] += _answer(runner, split.images[part], both_sides=options.flip)
                done += len(part)
                progress("asking the teacher", done, total)
    return _as_taught(answers / _counts(asked, len(split))[:, np.newaxis], options.teacher_temperature)


class Teachers(Closing):
    """Teachers that stay open, to be asked about changed pictures while the training goes on; in any thread."""

    def __init__(self, runners: Sequence[Runner], *, in_turn: bool = False, temperature: float = 1.0) -> None:
        self.runners = runners
        self.in_turn = in_turn
        self.temperature = temperature
        self._lock = threading.Lock()

    @classmethod
    def open(cls, options: TrainOptions) -> Self:
        """Open the teachers that `options` name.

        Raises:
            EdgeError: a file cannot be loaded, or has other classes than the dataset; or one left a fold out, and the
                training does not: it would have to be asked about that only.
        """
        paths = [find_teacher(name) for name in options.teacher]
        for path in paths:
            fold = left_out_fold(path)
            if fold is not None and str(fold) != options.fold:
                got, hint = f"one without {fold}", "add --ask-once"
                raise EdgeError(f"cannot ask {path} consistently", expected="no fold left out", got=got, hint=hint)
        return cls.of(paths, in_turn=options.teachers_in_turn, temperature=options.teacher_temperature)

    @classmethod
    def of(cls, paths: Sequence[Path], *, in_turn: bool = False, temperature: float = 1.0) -> Self:
        """Open the models at `paths`, or none of them.

        Raises:
            EdgeError: a file cannot be loaded, or has other classes than the dataset.
        """
        with ExitStack() as stack:
            runners = [stack.enter_context(_open(path)) for path in paths]
            stack.pop_all()
            return cls(runners, in_turn=in_turn, temperature=temperature)

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the mean of all answers, float32 ``(n, 10)``, to uint8 ``(n, 28, 28)``; in turn, one of them each.

        Who is asked in turn depends on the position in the batch alone: the training puts a picture somewhere else in
        every epoch.
        """
        with self._lock:
            answers = self._each_by_one(images) if self.in_turn else self._by_all(images)
        return _as_taught(answers, self.temperature)

    def _by_all(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        mean: npt.NDArray[np.float32] = np.mean([runner.infer(images) for runner in self.runners], axis=0)
        return mean

    def _each_by_one(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        answers = np.empty((len(images), len(LABELS)), np.float32)
        count = len(self.runners)
        for first, runner in enumerate(self.runners):
            theirs = np.ascontiguousarray(images[first::count])
            if len(theirs):
                answers[first::count] = runner.infer(theirs)
        return answers

    def close(self) -> None:
        """Free the models."""
        for runner in self.runners:
            runner.close()


def _as_taught(answers: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    return answers if temperature == 1 else soften(answers, temperature).astype(np.float32)


def _answer(runner: Runner, images: npt.NDArray[np.uint8], *, both_sides: bool) -> npt.NDArray[np.float32]:
    views = [images, np.ascontiguousarray(images[:, :, ::-1])] if both_sides else [images]
    mean: npt.NDArray[np.float32] = np.mean([runner.infer(view) for view in views], axis=0)
    return mean


def _asked_about(path: Path, split: Split, left_out: str | None) -> npt.NDArray[np.int64]:
    """Return the positions in `split`, which is without the fold `left_out`, that the teacher is asked about."""
    fold = left_out_fold(path)
    if fold is None or str(fold) == left_out:
        return np.arange(len(split))
    return np.flatnonzero(fold.holds(split.indices))


def _require_answers(asked: Sequence[npt.NDArray[np.int64]], count: int) -> None:
    silent_about = int((_counts(asked, count) == 0).sum())
    if silent_about:
        what = f"no teacher left out {silent_about:,} of the {count:,} images"
        hint = "name the models of all folds, each with --teacher"
        raise EdgeError(what, expected="one for each", got="teachers of some folds", hint=hint)


def _counts(asked: Sequence[npt.NDArray[np.int64]], count: int) -> npt.NDArray[np.float32]:
    """Return how many teachers are asked about each of `count` images."""
    return np.bincount(np.concatenate(asked), minlength=count).astype(np.float32)


def find_teacher(name: str) -> Path:
    """Return the file that a teacher's name stands for: a network in the box, a model file, or that of a run folder.

    Of a network in the box it is the int8 file: that answers several times as fast, and nearly the same.

    Raises:
        EdgeError: a folder without a finished run.
    """
    path = named_model(Path(name))
    return find_model(path) if path.is_dir() else path


def describe_teacher(names: Sequence[str]) -> list[dict[str, str]]:
    """Return the name and hash of every teacher, for the configuration of a run."""
    return [{"file": name, "sha256": sha256_hex(find_teacher(name).read_bytes())} for name in names]


def _open(path: Path) -> Runner:
    runner: Runner = open_runner(path) if path.suffix in SUFFIXES else KerasRunner.open(path)
    if runner.classes != len(LABELS):
        expected, got = f"{len(LABELS)}, as in Fashion-MNIST", str(runner.classes)
        runner.close()
        raise EdgeError(f"the teacher {path} has another number of classes", expected=expected, got=got)
    return runner
