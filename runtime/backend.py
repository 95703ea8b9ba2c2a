"""Which runtime a model runs in: the one asked for, or the faster of two that say the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, get_args

from ..common.errors import EdgeError
from .card import ModelCard, read_card
from .runner import ExportedRunner, check_file, open_runner
from .trust import Trust

Backend = Literal["auto", "onnxruntime", "litert"]
"""``auto`` is onnxruntime, or LiteRT where it is installed, has a file, says the same and is faster here."""
BACKENDS: tuple[Backend, ...] = get_args(Backend)
_SUFFIXES: dict[Backend, str] = {"onnxruntime": ".onnx", "litert": ".tflite"}


def open_backend(
    path: Path, *, threads: int = 1, backend: Backend = "auto", trust: Trust | None = None
) -> ExportedRunner:
    """Open the model at `path`, or its twin: the file of the other format that lies beside it under the same name.

    Args:
        path: an .onnx or a .tflite file. With ``auto``, a .tflite file runs in LiteRT: who names it, means it.
        threads: processor threads.
        backend: the runtime.
        trust: what the file must prove first, as in `open_runner`.

    Raises:
        EdgeError: the model cannot be used, or not in this runtime; says why.
    """
    if backend not in BACKENDS:
        raise EdgeError("unknown backend", expected=f"one of {', '.join(BACKENDS)}", got=str(backend))
    trust = Trust.chosen() if trust is None else trust
    if backend == "auto":
        return _open_fastest(path, threads, trust)
    if path.suffix not in _SUFFIXES.values() or path.suffix == _SUFFIXES[backend]:
        return open_runner(path, threads=threads, trust=trust)
    check_file(path)
    return open_runner(_require_twin(path, backend), threads=threads, trust=trust)


def difference(left: ModelCard, right: ModelCard) -> str:
    """Say in what the cards of two files differ that ought to be one network, or nothing.

    A training that nobody wrote down proves nothing, so it counts as another one.
    """
    for field in ("arch", "recipe", "labels", "training"):
        ours, theirs = getattr(left, field), getattr(right, field)
        if ours != theirs or ours is None:
            return f"another {field}" if ours != theirs else f"no {field} in their cards"
    return ""


def _require_twin(path: Path, backend: Backend) -> Path:
    twin = path.with_suffix(_SUFFIXES[backend])
    if not twin.is_file():
        hint = "fmnist-edge export --format both, or leave the backend to fmnist-edge"
        raise EdgeError(f"cannot run {path} in {backend}", expected=f"{twin.name} beside it", got="none", hint=hint)
    fault = difference(read_card(path), read_card(twin))
    if fault:
        expected = f"the network of {path.name}"
        raise EdgeError(f"cannot run {twin} instead of {path}", expected=expected, got=fault, hint="export both again")
    return twin


def _open_fastest(path: Path, threads: int, trust: Trust) -> ExportedRunner:
    """Open `path`, or its twin where that is known, or now found, to be faster; never fail because of the twin."""
    twin = path.with_suffix(".tflite")
    if path.suffix != ".onnx" or not twin.is_file() or importlib.util.find_spec("ai_edge_litert") is None:
        return open_runner(path, threads=threads, trust=trust)
    try:
        cards = read_card(path), read_card(twin)
        if not difference(*cards):
            from .contest import faster  # only for those who have both

            if faster(path, twin, [card.graph_sha256 for card in cards], threads=threads, trust=trust) == twin:
                return open_runner(twin, threads=threads, trust=trust)
    except EdgeError:  # of `path`, it is told by the next line; the twin is nothing that was asked for
        pass
    return open_runner(path, threads=threads, trust=trust)
