"""The audit of a model file: what its runtime executes, what the file promises, and whether the two agree.

Works on our files and on those of others, and without TensorFlow (the extra ``[inspect]``): so also on the device,
where onnxruntime may build another graph than on the machine that exported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..common.errors import EdgeError
from ..common.extras import import_extra
from ..runtime.card import ModelCard, NoCardError, read_card
from ..runtime.external import require_one_file
from ..runtime.integrity import require_intact
from ..runtime.runner import check_file
from ..runtime.trust import Trust, trusted_card
from .operators import Execution, Operator, float_islands, layers_of
from .recipe import Format

INTEGER_RECIPES = ("int8", "int16x8")
"""Recipes that promise integers, by the name of the arithmetic that they promise in every layer."""
UNVERIFIED = Trust(verify=False)
"""What files must prove that were written a moment ago, and those of other tools: nothing."""
_NEEDED: dict[Format, tuple[str, ...]] = {
    "onnx": ("onnx",),
    "tflite": ("flatbuffers", "ai_edge_litert.schema_py_generated"),
}
"""The formats that can be inspected, and the modules that it takes."""


@dataclass(frozen=True)
class Inspection:
    """One file, inspected.

    Attributes:
        name: of the file.
        format: of the file.
        size_bytes: of the file.
        execution: what its runtime executes.
        card: what the file says about itself; None where it says nothing that can be read.
        faults: promises that it does not keep, a sentence each.
        notes: what could not be told, a sentence each.
    """

    name: str
    format: Format
    size_bytes: int
    execution: Execution
    card: ModelCard | None
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def recipe(self) -> str | None:
        """The recipe that the file claims: its card's, or without a card the one in its name."""
        return self.card.recipe if self.card else _recipe_in(self.name)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """All operators, in the order of execution."""
        return self.execution.operators

    @property
    def layers(self) -> tuple[Operator, ...]:
        """The convolutions and dense layers."""
        return layers_of(self.operators)

    @property
    def arithmetic(self) -> str:
        """The arithmetic that its layers should have: as promised, or else that of most multiply-accumulates."""
        if self.recipe in INTEGER_RECIPES:
            return self.recipe
        found = {layer.arithmetic for layer in self.layers}
        return max(sorted(found), key=lambda name: macs_of(self.layers_in(name)) or 0, default="")

    def layers_in(self, arithmetic: str) -> tuple[Operator, ...]:
        """Return the layers that compute in `arithmetic`."""
        return tuple(layer for layer in self.layers if layer.arithmetic == arithmetic)

    def as_json(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        islands = float_islands(self.operators)
        shown = {"name": self.name, "format": self.format, "size_bytes": self.size_bytes, "recipe": self.recipe}
        return {
            **shown,
            "runtime": self.execution.runtime,
            "faults": list(self.faults),
            "notes": list(self.notes),
            "inputs": [asdict(port) for port in self.execution.inputs],
            "outputs": [asdict(port) for port in self.execution.outputs],
            **self.as_audit(),
            "operators": [asdict(entry) | {"is_float_island": entry in islands} for entry in self.operators],
            "sqnr_db": [{"layer": name, "sqnr_db": ratio} for name, ratio in self.sqnr_db],
            "card": asdict(self.card) if self.card else None,
        }

    def as_audit(self) -> dict[str, Any]:
        """Return the sums as a JSON object: what `summary` says in words."""
        chosen = self.layers_in(self.arithmetic)
        return {
            "parameters": sum(operator.parameters for operator in self.operators),
            "layers": len(self.layers),
            "macs": macs_of(self.layers),
            "arithmetic": self.arithmetic,
            "layers_in_arithmetic": len(chosen),
            "macs_in_arithmetic": macs_of(chosen),
            "macs_in_int8": macs_of(self.layers_in("int8")),
            "float_operators": [operator.name for operator in self.operators if operator.is_float],
            "float_islands": [operator.name for operator in float_islands(self.operators)],
            "worst_layer": self.sqnr_db[0][0] if self.sqnr_db else None,
        }

    @property
    def sqnr_db(self) -> tuple[tuple[str, float], ...]:
        """Name of every layer whose quantization error was measured, and the ratio in decibels, worst first."""
        ratios = self.card.sqnr_db if self.card else None
        return tuple(sorted((ratios or {}).items(), key=lambda entry: entry[1]))


def inspect(path: Path, *, name: str | None = None, trust: Trust = UNVERIFIED) -> Inspection:
    """Inspect the file at `path`.

    Args:
        path: an .onnx or .tflite file, ours or another's.
        name: what to call it; None is the name of the file.
        trust: what it must prove before its runtime sees it; without verification, what it does not keep is a fault.

    Raises:
        EdgeError: it has not proved what `trust` asks for; no such file, not a model, its runtime cannot load it, or a
            package is not installed.
    """
    kind = _format_of(path)
    check_file(path)
    if trust.verify:
        trusted_card(path, trust)
    for module in _NEEDED[kind]:
        package = module.split(".")[0]
        import_extra(module, needed=f"{package} is needed to inspect {path}", extra="inspect")
    if kind == "onnx":
        from .operators_onnx import read_onnx

        require_one_file(path)
        execution = read_onnx(path)
    else:
        from .operators_tflite import read_tflite

        execution = read_tflite(path)
    card, faults, notes = _judge_card(path)
    shown = name or path.name
    recipe = card.recipe if card else _recipe_in(shown)
    faults += [f"{shown}: {promise}" for promise in broken_promises(execution.operators, recipe)]
    size_bytes = path.stat().st_size
    return Inspection(shown, kind, size_bytes, execution, card, tuple(faults), (*notes, *execution.notes))


def broken_promises(operators: Sequence[Operator], recipe: str | None) -> list[str]:
    """Say which layers do not compute in the integers that `recipe` promises, a sentence each.

    A file is int8 only when every convolution and dense layer computes in int8.
    """
    if recipe not in INTEGER_RECIPES:
        return []
    culprits = [layer for layer in layers_of(operators) if layer.arithmetic != recipe]
    return [f"{layer.name} ({layer.kind}) runs in {layer.arithmetic}, not in {recipe}" for layer in culprits]


def require_promised(inspection: Inspection) -> None:
    """Check that the layers of a file compute as its recipe promises.

    Raises:
        EdgeError: with exit code 1, one does not; names it.
    """
    culprits = broken_promises(inspection.operators, inspection.recipe)
    if culprits:
        got = culprits[0] + (f", and {len(culprits) - 1} more" if len(culprits) > 1 else "")
        expected = f"every convolution and dense layer in {inspection.recipe}"
        hint = "change that layer, or export another --format"
        raise EdgeError(f"{inspection.name} was not written", expected=expected, got=got, hint=hint, exit_code=1)


def macs_of(layers: Sequence[Operator]) -> int | None:
    """Sum the multiply-accumulates of `layers`; None where those of one cannot be told."""
    counts = [layer.macs for layer in layers]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _format_of(path: Path) -> Format:
    for kind in _NEEDED:
        if path.suffix == f".{kind}":
            return kind
    if path.suffix == ".keras":
        hint = f"export it first: fmnist-edge export {path}"
        raise EdgeError(f"{path} is a model for training", expected="an exported file", got=".keras", hint=hint)
    if path.is_dir():
        raise EdgeError(f"{path} is not a file", expected="a model file", got="a folder")
    expected = f"a file ending in {' or '.join(f'.{kind}' for kind in _NEEDED)}"
    raise EdgeError(f"cannot inspect {path}", expected=expected, got=path.suffix or "none")


def _judge_card(path: Path) -> tuple[ModelCard | None, list[str], list[str]]:
    """Return the card, what is wrong with it, and what is to be noted."""
    card, notes, faults = None, [], []
    try:
        card = read_card(path)
    except NoCardError:
        notes = ["no ModelCard: made by other tools, or truncated"]
    except EdgeError as error:
        return None, [str(error)], []
    try:
        require_intact(path, card)
    except EdgeError as error:
        faults = [str(error)]
    return card, faults, notes


def _recipe_in(name: str) -> str | None:
    """Return the integers that a file name promises.

    >>> _recipe_in("resnet-int8.onnx"), _recipe_in("model_int16x8.tflite"), _recipe_in("paint8.onnx")
    ('int8', 'int16x8', None)
    """
    words = re.split(r"[^a-z0-9]+", name.lower())
    return next((recipe for recipe in INTEGER_RECIPES if recipe in words), None)
