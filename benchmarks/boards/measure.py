"""Labels and instructions of a model on an emulated board.

Executed instructions are not time: a board's clock, caches and memory decide how long they take. But they need no
board, are the same on any machine and repeat to a fraction of a percent, so that two exports can be compared by them.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...common.errors import EdgeError
from ...common.progress import Progress, silent
from ...runtime.runner import open_runner
from ...runtime.trust import Trust
from ..probe import UNVERIFIED
from .board import Board
from .emulator import Emulation, run_python
from .sysroot import Sysroot

_PAYLOAD = f"{__package__}.payload"
_MODULES = {"numpy": "numpy", "onnxruntime": "onnxruntime", "ai-edge-litert": "ai_edge_litert.interpreter"}
WARM_UP_IMAGES = 3
"""The first images of a process, not counted: the runtimes set up memory with them."""


@dataclass(frozen=True)
class BoardMeasurement:
    """One model on one emulated board.

    Attributes:
        board: the board's name.
        model: the file's name.
        instructions_per_image: executed from the raw pixels of one image to its probabilities, in Python and in the
            runtime; the median over the images.
            None where this QEMU cannot count.
        startup_instructions: from the start of the process to its first answer, interpreter and imports included;
            likewise.
        images: how many were answered.
        same_labels: how many of them the board answered as this machine does. All, for int8 files whose sums are
            settled; otherwise onnxruntime's QLinearAdd rounds about one value in 30,000 differently on ARM.
    """

    board: str
    model: str
    instructions_per_image: int | None
    startup_instructions: int | None
    images: int
    same_labels: int

    @property
    def labels_match(self) -> bool:
        """Whether the board said the same as this machine to every image."""
        return self.same_labels == self.images

    def as_json(self) -> dict[str, Any]:
        """Return the fields and `labels_match` as plain JSON types."""
        return {**asdict(self), "labels_match": self.labels_match}


def measure_boards(
    models: Sequence[Path],
    images: npt.NDArray[np.uint8],
    boards: Sequence[Board],
    sysroot: Sysroot,
    *,
    trust: Trust | None = None,
    progress: Progress = silent,
) -> list[BoardMeasurement]:
    """Measure every model on every board, in the order given.

    Args:
        models: exported files.
        images: uint8 ``(n, 28, 28)``, more than `WARM_UP_IMAGES`.
        boards: the boards.
        sysroot: from `sysroot.prepare`.
        trust: what a file must prove first; None as the environment asks.
        progress: told of every measurement.

    Raises:
        EdgeError: too few images, or a model that does not run here or there.
    """
    if len(images) <= WARM_UP_IMAGES:
        expected = f"more than {WARM_UP_IMAGES}"
        raise EdgeError("too few images to count instructions", expected=expected, got=str(len(images)))
    results: list[BoardMeasurement] = []
    total = len(models) * len(boards)
    for board in boards[:1]:
        compile_modules(sysroot, board)
    for model in models:
        here = host_labels(model, images, trust=trust)
        for board in boards:
            progress("counting instructions on emulated boards", len(results), total)
            results.append(_measure(model, images, board, sysroot, here, verify=trust is None or trust.verify))
    progress("counting instructions on emulated boards", total, total)
    return results


def compile_modules(sysroot: Sysroot, board: Board) -> None:
    """Import once what the payload does, so that start-up is counted with bytecode, as on an installed system.

    The boards share the bytecode, so one will do for all.
    """
    modules = [_PAYLOAD, *(_MODULES[name] for name in sysroot.wheels if name in _MODULES)]
    run_python(sysroot, board, ["-c", f"import {', '.join(modules)}"])


def host_labels(model: Path, images: npt.NDArray[np.uint8], *, trust: Trust | None = None) -> list[int]:
    """Return what `model` says to the images on this machine.

    Raises:
        EdgeError: it cannot be run.
    """
    with open_runner(model, trust=trust) as runner:
        return [int(label) for label in runner.infer(images).argmax(axis=1)]


def emulate(model: Path, images: npt.NDArray[np.uint8], board: Board, sysroot: Sysroot) -> list[int]:
    """Return what `model` says to the images on `board`.

    Raises:
        EdgeError: it cannot be run there.
    """
    return read_labels(_answer(model, images, board, sysroot, count=False).stdout, len(images), board)


def _measure(
    model: Path, images: npt.NDArray[np.uint8], board: Board, sysroot: Sysroot, here: list[int], *, verify: bool
) -> BoardMeasurement:
    emulation = _answer(model, images, board, sysroot, count=not sysroot.cannot_count, verify=verify)
    labels = read_labels(emulation.stdout, len(images), board)
    per_image, startup = (None, None) if emulation.counts is None else reduce_counts(emulation.counts, len(images))
    return BoardMeasurement(
        board=board.name,
        model=model.name,
        instructions_per_image=per_image,
        startup_instructions=startup,
        images=len(images),
        same_labels=sum(there == expected for there, expected in zip(labels, here, strict=True)),
    )


def _answer(
    model: Path, images: npt.NDArray[np.uint8], board: Board, sysroot: Sysroot, *, count: bool, verify: bool = True
) -> Emulation:
    with tempfile.TemporaryDirectory(prefix="fmnist-edge-") as folder:
        file = Path(folder) / "images.npy"
        np.save(file, images)
        return run_python(
            sysroot, board, ["-m", _PAYLOAD, model.resolve(), file, *([] if verify else [UNVERIFIED])], count=count
        )


def read_labels(stdout: str, images: int, board: Board) -> list[int]:
    """Read the payload's line.

    >>> from .board import BOARDS
    >>> read_labels('{"labels": [9, 2]}', 2, BOARDS["pi5"])
    [9, 2]

    Raises:
        EdgeError: it is not there, or has another number of labels: the program ended early.
    """
    try:
        labels = json.loads(stdout)["labels"]
    except (ValueError, TypeError, KeyError) as error:
        expected, got = "its labels as JSON", repr(stdout[:80])
        raise EdgeError(f"the program said nothing on {board.title}", expected=expected, got=got) from error
    if len(labels) != images:
        raise EdgeError(f"the program ended early on {board.title}", expected=f"{images} labels", got=str(len(labels)))
    return [int(label) for label in labels]


def reduce_counts(counts: Sequence[int], images: int) -> tuple[int, int]:
    """Reduce the marks of `images` predictions to instructions per image and up to the first answer.

    Args:
        counts: instructions at the beginning and the end of each prediction, and at the end of the program.
        images: how many predictions; those after `WARM_UP_IMAGES` count.

    >>> reduce_counts([100, 150, 160, 190, 200, 230, 240, 270, 280, 300, 310], 5)
    (25, 150)

    Raises:
        EdgeError: another number of marks.
    """
    if len(counts) != 2 * images + 1:
        expected = f"{2 * images + 1} counts"
        raise EdgeError("QEMU did not count every image", expected=expected, got=str(len(counts)))
    spent = [end - begin for begin, end in zip(counts[:-1:2], counts[1::2], strict=True)]
    return int(statistics.median(spent[WARM_UP_IMAGES:])), counts[1]
