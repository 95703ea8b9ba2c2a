"""An inspection in words and tables, for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..benchmarks.tables import Table, plain_text, size_text
from ..runtime.card import ModelCard
from .inspection import INTEGER_RECIPES, Inspection, macs_of
from .operators import Operator, Port, Shape, float_islands


def summary(inspection: Inspection) -> str:
    """Say in one line how the layers compute, what stays float, and which layer strays most."""
    layers, arithmetic = inspection.layers, inspection.arithmetic
    if not layers:
        return f"{inspection.name}: no convolution or dense layer"
    chosen = inspection.layers_in(arithmetic)
    counted = "convolutions and dense layers" if len(layers) > 1 else "convolution or dense layer"
    macs = f"{count_text(macs_of(chosen))} of {count_text(macs_of(layers))} MACs"
    parts = [f"{len(chosen)} of {len(layers)} {counted} in {arithmetic}, {macs}"]
    if arithmetic in INTEGER_RECIPES:
        parts.append(_float_text(inspection))
    if inspection.sqnr_db:
        name, ratio = inspection.sqnr_db[0]
        parts.append(f"worst layer {short_name(name, inspection.card)} ({ratio:.1f} dB)")
    parts += _changes_text(inspection.card)
    return f"{inspection.name}: {'; '.join(parts)}"


def _changes_text(card: ModelCard | None) -> list[str]:
    """Say what share of labels int8 should change, and what recovery was worth, where the card knows."""
    calibration = (card.calibration if card is not None else None) or {}
    tried = calibration.get("expected_changes_on_validation")
    if not isinstance(tried, Mapping) or not tried:
        return []
    share, recovery = min(tried.values()), calibration.get("recovery")
    if recovery is None:
        return [f"expected to change {share:.2%} of the labels (recovery not tried)"]
    after, verdict = recovery["expected_changes_on_validation"], "used" if recovery["used"] else "not used"
    return [f"expected to change {share:.2%} of the labels, with recovery {after:.2%} ({verdict})"]


def _float_text(inspection: Inspection) -> str:
    kinds = list(dict.fromkeys(operator.kind for operator in inspection.operators if operator.is_float))
    islands = len(float_islands(inspection.operators))
    between = f" ({islands} of them between integer operators)" if islands else ""
    return f"float: {', '.join(kinds) or 'nothing'}{between}"


def description(inspection: Inspection) -> list[str]:
    """Return what is known of the file as a whole, a line each: contract, sums, card, and what is wrong or unknown."""
    execution, card = inspection.execution, inspection.card
    parameters = sum(operator.parameters for operator in inspection.operators)
    return [
        f"file: {inspection.format}, {size_text(inspection.size_bytes)}",
        f"runs in: {execution.runtime}",
        *(f"input: {_port_text(port, card.input if card else None)}" for port in execution.inputs),
        *(f"output: {_port_text(port, card.output if card else None)}" for port in execution.outputs),
        f"parameters: {parameters:,}",
        f"MACs for one picture: {_exact(macs_of(inspection.layers))}, {_share(inspection)} of them in int8",
        *(_card_lines(card) if card else []),
        *(f"note: {note}" for note in inspection.notes),
    ]


def operators_table(inspection: Inspection) -> Table:
    """All operators in the order of their execution."""
    header = ["operator", "layer", "takes", "gives", "shape", "weights", "arithmetic", "kernel", "parameters", "MACs"]
    islands = float_islands(inspection.operators)
    rows = [_row(operator, inspection.card, is_island=operator in islands) for operator in inspection.operators]
    return Table("Operators as they are executed", header, rows)


def errors_table(inspection: Inspection) -> Table | None:
    """The quantization error of every layer, worst first; None where the file does not tell."""
    if not inspection.sqnr_db:
        return None
    rows = [[short_name(name, inspection.card), f"{ratio:.1f}"] for name, ratio in inspection.sqnr_db]
    return Table("Signal to quantization noise, worst first", ["layer", "SQNR dB"], rows)


def _row(operator: Operator, card: ModelCard | None, *, is_island: bool) -> list[str]:
    return [
        operator.kind,
        short_name(operator.name, card),
        operator.input_type or "-",
        operator.output_type,
        _shape_text(operator.output_shape),
        operator.weights or "-",
        operator.arithmetic + (" (island)" if is_island else ""),
        operator.kernel or "unknown",
        f"{operator.parameters:,}" if operator.parameters else "-",
        "-" if operator.macs == 0 else _exact(operator.macs),
    ]


def short_name(name: str, card: ModelCard | None) -> str:
    """Shorten the name of a value in a graph of ours to that of the Keras layer; leave those of others alone.

    ``seed_1/conv2_1/Relu`` becomes ``conv2``.
    """
    if card is None:
        return name
    found = re.search(rf"(?:^|[\s_]){re.escape(card.arch)}(?:_\d+)?/([^/;:]+?)(?:_\d+)?(?:[/;:]|$)", name)
    return found[1] if found else name


def count_text(count: int | None) -> str:
    """Write a large count in thousands or millions.

    >>> count_text(78_482_560), count_text(5_120), count_text(12), count_text(None)
    ('78.5 M', '5.1 k', '12', 'unknown')
    """
    if count is None:
        return "unknown"
    if count < 1_000:
        return str(count)
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.1f} k"


def _exact(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _share(inspection: Inspection) -> str:
    total, int8 = macs_of(inspection.layers), macs_of(inspection.layers_in("int8"))
    return "unknown" if total is None or int8 is None else f"{int8 / total:.1%}" if total else "none"


def _shape_text(shape: Shape) -> str:
    """Write a shape.

    >>> _shape_text((1, 26, 26, 32)), _shape_text((None, 10)), _shape_text(())
    ('1x26x26x32', '?x10', 'scalar')
    """
    return "x".join("?" if side is None else str(side) for side in shape) or "scalar"


def _port_text(port: Port, said: Mapping[str, Any] | None) -> str:
    meaning = f", {said['meaning']}" if said and said.get("meaning") else ""
    return f"{port.name}, {port.dtype} ({', '.join(map(str, port.shape))}){meaning}"


def _card_lines(card: ModelCard) -> list[str]:
    """Tell what the card says; of the calibration images their number, not the list."""
    calibration = {key: value for key, value in (card.calibration or {}).items() if key != "indices"}
    training = {key: value for key, value in (card.training or {}).items() if key not in {"options", "versions"}}
    training |= (card.training or {}).get("options") or {}
    return [
        f"card: {card.name}, architecture {card.arch}, recipe {card.recipe}, version {card.card_version}",
        f"labels: {', '.join(card.labels)}",
        f"calibration: {_entries(calibration)}",
        f"training: {_entries(training)}",
        f"made with: {_entries(card.versions)}",
        f"graph: {card.graph_bytes:,} bytes, SHA-256 {card.graph_sha256}",
    ]


def _entries(entries: Mapping[str, Any]) -> str:
    """Write a nested map on one line, without what is not set.

    >>> _entries({"split": "train", "logits": {"count": 3}, "limit": None}), _entries({})
    ('split train, logits (count 3)', 'none')
    """
    shown = [
        f"{key} ({_entries(value)})" if isinstance(value, Mapping) else f"{key} {plain_text(value)}"
        for key, value in entries.items()
        if value is not None
    ]
    return ", ".join(shown) or "none"
