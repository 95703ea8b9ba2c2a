"""Learning from stronger models: their answers to the training pictures, mixed into the labels.

After G. Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, at a temperature of 1. A
teacher is asked once, before the training, about every picture as it is: the changes that a training makes to pictures
(a pixel to the side, a part painted over) are meant to leave the answer as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..common.progress import Progress, silent
from ..dataset import LABELS
from ..runtime.locate import named_model
from ..runtime.runner import SUFFIXES, Runner, open_runner
from .keras_model import KerasRunner
from .options import TrainOptions
from .run_folder import find_model

_BATCH = 250


def teacher_answers(
    options: TrainOptions, images: npt.NDArray[np.uint8], progress: Progress = silent
) -> npt.NDArray[np.float32] | None:
    """Return the mean answer of the teachers that `options` name, or None where they name none.

    Where the training mirrors pictures, both sides of a picture are meant to have the same answer; so the teachers look
    at both, and know better: 95.8% instead of 95.5% of the validation images for the strong of the second generation.

    Args:
        options: of the training.
        images: uint8 ``(n, 28, 28)``.
        progress: told of the pictures that were looked at.

    Returns:
        float32 ``(n, 10)``.

    Raises:
        EdgeError: a file cannot be loaded, or has other classes than the dataset.
    """
    if not options.teacher:
        return None
    with ExitStack() as stack:
        runners = [stack.enter_context(_open(find_teacher(name))) for name in options.teacher]
        answers = np.empty((len(images), len(LABELS)), np.float32)
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            views = [part, np.ascontiguousarray(part[:, :, ::-1])] if options.flip else [part]
            found = [runner.infer(view) for view in views for runner in runners]
            answers[start : start + _BATCH] = np.mean(found, axis=0)
            progress("asking the teacher", min(start + _BATCH, len(images)), len(images))
    return answers


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
