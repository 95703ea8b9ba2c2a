"""Run an exported model on raw pixels: one protocol, one runner a runtime."""

from __future__ import annotations

import contextlib
import platform
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ..common.closing import Closing
from ..common.errors import EdgeError
from ..common.memory import require_addresses
from ..common.quiet import quiet_standard_error
from .card import ModelCard
from .trust import Trust, trusted_card

if TYPE_CHECKING:
    import onnxruntime

SIDE = 28
_CPUINFO = Path("/proc/cpuinfo")
SUFFIXES = (".onnx", ".tflite")
MAX_THREADS = 256
"""The runtimes start as many threads as they are told, or fail; no device of ours has more processors."""
_ADDRESSES_BYTES = 80_000_000
"""onnxruntime reserves up to 60 MB while it loads, and crashes in one of four cases where it cannot."""
TRUST = Trust()
"""Nothing but the digest."""


class Runner(Protocol):
    """Anything that maps pictures to probabilities; Keras models take part in evaluations through it, too."""

    name: str
    format: str

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 ``(n, 28, 28)`` to probabilities, float32 ``(n, classes)``, rows summing to 1."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ExportedRunner(Closing):
    """What the runners of exported files share: the card, the check of the input, and closing.

    Attributes:
        name: file name without suffix.
        format: ``onnx`` or ``tflite``.
        card: what the file says about itself; None where it says nothing, and that was allowed.
        labels: the names of the classes; numbers, where the file names none.
    """

    format = ""

    def __init__(self, path: Path, card: ModelCard | None, classes: int) -> None:
        self.name = path.stem
        self.path = path
        self.card = card
        self.labels = card.labels if card is not None else tuple(f"class {index}" for index in range(classes))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 ``(n, 28, 28)`` to probabilities, float32 ``(n, classes)``.

        Raises:
            EdgeError: another dtype or shape.
        """
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
            expected = f"uint8 (n, {SIDE}, {SIDE})"
            raise EdgeError("unusable images", expected=expected, got=f"{images.dtype} {images.shape}")
        return self._infer(images)

    def _infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise NotImplementedError


class OnnxRunner(ExportedRunner):
    """An .onnx file in onnxruntime, on the CPU."""

    format = "onnx"

    def __init__(self, path: Path, *, threads: int = 1, trust: Trust = TRUST) -> None:
        """Load the model at `path` with `threads` threads.

        Raises:
            EdgeError: not an ONNX file, truncated, changed, without a ModelCard, or with other shapes; or it has not
                proved what `trust` asks for.
        """
        with _unchanged(path):
            card = trusted_card(path, trust)
            self._session = open_session(path, session_options(threads))
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        got = [(node.type, _free_batch(node.shape)) for node in (*inputs, *outputs)]
        super().__init__(path, card, _classes_in(got))
        expected = [("tensor(uint8)", ["n", SIDE, SIDE]), ("tensor(float)", ["n", self.classes])]
        _require_contract(path, expected=expected, got=got)
        self._input, self._outputs = inputs[0].name, [outputs[0].name]

    def _infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        probabilities: npt.NDArray[np.float32] = self._session.run(self._outputs, {self._input: images})[0]
        return probabilities

    def close(self) -> None:
        """Free the model; the runner cannot be used after."""
        del self._session


class LiteRTRunner(ExportedRunner):
    """A .tflite file in LiteRT, on the CPU; one image a call, because the graph is fixed to it.

    An interpreter holds one input and one output, so threads that share a runner take turns, image by image.
    """

    format = "tflite"

    def __init__(self, path: Path, *, threads: int = 1, trust: Trust = TRUST) -> None:
        """Load the model at `path` with `threads` threads.

        Raises:
            EdgeError: LiteRT is not installed, or the file is no TFLite model, truncated, changed, without a ModelCard,
                or with other shapes; or it has not proved what `trust` asks for.
        """
        self._turn = threading.Lock()
        with _unchanged(path):
            card = trusted_card(path, trust)
            self._interpreter = open_interpreter(path, threads)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        got = [(np.dtype(node["dtype"]).name, node["shape"].tolist()) for node in (*inputs, *outputs)]
        super().__init__(path, card, _classes_in(got))
        _require_contract(path, expected=[("uint8", [1, SIDE, SIDE]), ("float32", [1, self.classes])], got=got)
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    def _infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        probabilities = np.empty((len(images), self.classes), np.float32)
        for position in range(len(images)):
            with self._turn:
                self._interpreter.set_tensor(self._input, images[position : position + 1])
                self._interpreter.invoke()
                probabilities[position] = self._interpreter.get_tensor(self._output)[0]
        return probabilities

    def close(self) -> None:
        """Free the model; the runner cannot be used after."""
        del self._interpreter


def open_runner(path: Path, *, threads: int = 1, trust: Trust | None = None) -> ExportedRunner:
    """Open an exported model with the runtime of its format.

    Args:
        path: an .onnx or .tflite file.
        threads: processor threads.
        trust: what the file must prove first; None is its digest, and a signature where the environment asks for one.

    Raises:
        EdgeError: missing, a folder, empty, of an unknown kind, damaged, not trusted, or `threads` not from 1 to
            `MAX_THREADS`.
    """
    trust = Trust.chosen() if trust is None else trust
    if not 1 <= threads <= MAX_THREADS:
        raise EdgeError("unusable number of threads", expected=f"1 to {MAX_THREADS}", got=str(threads))
    check_file(path)
    if path.suffix == ".onnx":
        return OnnxRunner(path, threads=threads, trust=trust)
    if path.suffix == ".tflite":
        return LiteRTRunner(path, threads=threads, trust=trust)
    raise EdgeError(
        f"cannot run {path}", expected=f"a file ending in {' or '.join(SUFFIXES)}", got=path.suffix or "none"
    )


def check_file(path: Path) -> None:
    """Check that `path` is a file that can be read and has something in it.

    Raises:
        EdgeError: missing, a folder, not readable, or empty.
    """
    try:
        if not path.exists():
            raise EdgeError(f"no file at {path}", hint="check the path, or make a model: fmnist-edge export --int8")
        if not path.is_file():
            got = "a folder" if path.is_dir() else "a device"
            raise EdgeError(f"{path} is not a file", expected="a model file", got=got)
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a model file", got=error.strerror or str(error)) from error
    if empty:
        raise EdgeError(f"{path} is empty", expected="a model file", got="0 bytes", hint="export or copy it again")


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options that models run with; they decide what onnxruntime makes of the graph.

    Raises:
        EdgeError: onnxruntime may not take the memory that it needs.
    """
    require_addresses(_ADDRESSES_BYTES, module="onnxruntime", name="onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle Pi shall stay idle
    options.enable_cpu_mem_arena = False  # a little faster for one picture, and memory goes back after a large batch
    if _int8_saturates():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def open_session(path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Load an ONNX model of any contract, on the CPU.

    Raises:
        EdgeError: onnxruntime cannot run it.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        hint = "export or copy it again"
        raise EdgeError(f"cannot load {path}", expected="a whole ONNX model", got=str(error), hint=hint) from error


def _free_batch(shape: list[Any]) -> list[Any]:
    """Return an ONNX shape with the first dimension called ``n`` where it is free, by whatever name.

    >>> _free_batch(["batch", 28, 28]), _free_batch([1, 28, 28])
    (['n', 28, 28], [1, 28, 28])
    """
    return ["n" if position == 0 and not isinstance(side, int) else side for position, side in enumerate(shape)]


def _int8_saturates(cpuinfo: Path = _CPUINFO, machine: str | None = None) -> bool:
    """Tell whether onnxruntime's fast int8 kernels give wrong sums here, so that the exact ones must be asked for.

    On x86 without VNNI, products of U8 activations and S8 weights are added in pairs in 16 bits, and saturate
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). Where the features cannot be read,
    the answer is yes. ARM is not concerned.
    """
    if (machine or platform.machine()).lower() not in {"x86_64", "amd64", "i686"}:
        return False
    try:
        features = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return "vnni" not in features


def open_interpreter(path: Path, threads: int) -> Any:
    """Load a TFLite model of any contract, on the CPU.

    Raises:
        EdgeError: LiteRT is not installed, or cannot run the model.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        hint = "pip install 'fmnist-edge[litert]', or use the .onnx file"
        raise EdgeError(f"LiteRT is needed to run {path}", got=str(error), hint=hint) from error
    try:
        with quiet_standard_error():  # LiteRT announces its delegate, and its errors a second time
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        hint = "export or copy it again"
        raise EdgeError(f"cannot load {path}", expected="a whole TFLite model", got=str(error), hint=hint) from error
    return interpreter


@contextlib.contextmanager
def _unchanged(path: Path) -> Iterator[None]:
    """Check that the file is the same one at the end of the block: what was proved of it is true of what was loaded.

    Raises:
        EdgeError: it was replaced or written to meanwhile.
    """
    before = _state(path)
    yield
    if _state(path) != before:
        raise EdgeError(f"{path} was changed while it was loaded", hint="try again when nobody writes to it")


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _classes_in(contract: Sequence[tuple[str, Any]]) -> int:
    """Return the number of classes that the last output has, or 0 where that is no number.

    >>> _classes_in([("uint8", [1, 28, 28]), ("float32", [1, 10])]), _classes_in([("float32", [1, "n"])])
    (10, 0)
    """
    sides = contract[-1][1] if contract else []
    return sides[-1] if sides and isinstance(sides[-1], int) else 0


def _require_contract(path: Path, *, expected: object, got: object) -> None:
    if got != expected:
        raise EdgeError(f"{path} has another input or output", expected=str(expected), got=str(got))
