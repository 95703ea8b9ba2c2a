"""What an architecture would cost on a device, before it is trained: bytes, multiply-accumulates, instructions.

Weights change neither the operators of an int8 file nor its size by more than a percent, so an untrained network is
converted once and plainly: not the nine candidates that an export is chosen from.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import keras

from ..benchmarks.boards.board import Board, find_board
from ..benchmarks.boards.measure import measure_boards
from ..benchmarks.boards.sysroot import Sysroot, prepare
from ..benchmarks.measuring import BOARD_IMAGES
from ..common.errors import EdgeError
from ..common.files import sha256_hex
from ..common.progress import Progress, silent
from ..dataset import LABELS, load_split
from ..runtime.card import CARD_VERSION, ModelCard
from ..train.sides import one_side
from . import onnx_file, onnx_int8, tflite, tflite_file
from .calibration import Calibration
from .inspection import inspect, macs_of, require_promised
from .pixels import INPUT, OUTPUT
from .sides import both_sides
from .sums import settle_sums

_NAME = "costs-int8"


@dataclass
class CostMeter:
    """Measures what int8 files of an architecture cost.

    Attributes:
        boards: names of the emulated boards on which instructions are counted.
        data_dir: where the dataset is; None looks in the usual places.
        progress: told while the emulator is set up.
    """

    boards: Sequence[str] = ()
    data_dir: Path | None = None
    progress: Progress = field(default=silent)

    @cached_property
    def _calibration(self) -> Calibration:
        return Calibration.choose(load_split("train", self.data_dir))

    @cached_property
    def _sysroot(self) -> Sysroot:
        return prepare(progress=self.progress)

    @cached_property
    def _boards(self) -> list[Board]:
        return [find_board(name) for name in self.boards]

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Return the costs of `model` by the names of the objectives of a search.

        Returns:
            ``size``, bytes of the larger of the int8 .onnx and .tflite files; ``macs``, multiply-accumulates an image;
            and for every board ``instructions-BOARD``, an image, of the better of the two files.

        Raises:
            EdgeError: the network cannot run in int8, or a file does not run on a board.
        """
        with tempfile.TemporaryDirectory(prefix="fmnist-edge-") as name:
            files = self._write(model, Path(name))
            inspections = [inspect(path) for path in files]
            for inspection in inspections:
                require_promised(inspection)
            costs: dict[str, float] = {"size": max(path.stat().st_size for path in files)}
            macs = macs_of(inspections[-1].layers)
            if macs is not None:
                costs["macs"] = macs
            return costs | (self._instructions(files) if self.boards else {})

    def _write(self, model: keras.Model, folder: Path) -> list[Path]:
        side = one_side(model)
        network = tflite.convert_scaled(side)
        content = settle_sums(tflite.quantize_int8(network.content, network.scaling, self._calibration))
        onnx, lite = folder / f"{_NAME}.onnx", folder / f"{_NAME}.tflite"
        translated = onnx_int8.translate(content)
        if side is not model:
            translated, content = both_sides(translated, "onnx"), both_sides(content, "tflite")
        onnx.write_bytes(onnx_file.append_card(translated, self._card(model, translated)))
        lite.write_bytes(tflite_file.append_card(content, self._card(model, content)))
        return [onnx, lite]

    def _card(self, model: keras.Model, graph: bytes) -> ModelCard:
        packages = ("fmnist-edge", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")
        return ModelCard(
            card_version=CARD_VERSION,
            name=_NAME,
            arch=model.name,
            recipe="int8",
            labels=LABELS,
            input={"name": INPUT, "dtype": "uint8", "shape": ["n", 28, 28], "meaning": "grey, 0 is background"},
            output={"name": OUTPUT, "dtype": "float32", "shape": ["n", len(LABELS)], "meaning": "sum to 1"},
            calibration=self._calibration.describe(),
            training=None,
            versions={"python": platform.python_version(), **{package: version(package) for package in packages}},
            graph_bytes=len(graph),
            graph_sha256=sha256_hex(graph),
        )

    def _instructions(self, files: Sequence[Path]) -> dict[str, float]:
        if self._sysroot.cannot_count:
            raise EdgeError("instructions cannot be counted", got=self._sysroot.cannot_count, hint="use macs")
        images = self._calibration.split.images[:BOARD_IMAGES]
        measured = measure_boards(files, images, self._boards, self._sysroot)
        counts = {board: [m.instructions_per_image for m in measured if m.board == board] for board in self.boards}
        return {f"instructions-{board}": min(n for n in found if n is not None) for board, found in counts.items()}
