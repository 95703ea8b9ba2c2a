"""A TFLite model as C source and header, for microcontrollers, which have no files.

The array holds the flatbuffer as it stands in the .tflite file, so that the digest in the ModelCard is that of the
array, too; but not the card, which would cost flash and which no one reads there: what of it a person needs stands in
the header. TensorFlow Lite Micro runs the array in place.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..common.errors import EdgeError, one_line
from ..common.files import atomic_path, sha256_hex
from ..runtime.card import ModelCard, read_tflite_card
from .arena import arena_bytes
from .flatbuffer import operator_name, read_model

_PER_LINE = 20
_BYTES = [str(value) for value in range(256)]
RESOLVER = {
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEQUANTIZE": "AddDequantize",
    "FULLY_CONNECTED": "AddFullyConnected",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MUL": "AddMul",
    "PAD": "AddPad",
    "QUANTIZE": "AddQuantize",
    "RESHAPE": "AddReshape",
    "SOFTMAX": "AddSoftmax",
}
"""The operators that were seen to run in TensorFlow Lite Micro as in LiteRT, with the resolver's method for each."""


def header_path(source: Path) -> Path:
    """Return where the header of a C source lies: beside it."""
    return source.with_suffix(".h")


def write_c(source: Path, tflite: Path) -> None:
    """Write the C source and its header, both or neither; where a kill comes between them, the compiler says so.

    Args:
        source: path of the .c file; what stands there, or as its header beside it, is replaced.
        tflite: an exported .tflite file with its card.

    Raises:
        EdgeError: the model has an operator that is not known to run on a microcontroller; or the files cannot be
            written.
    """
    card, header = read_tflite_card(tflite), header_path(source)
    graph = tflite.read_bytes()[: card.graph_bytes]
    texts = {header: header_text(graph, card), source: source_text(graph, card, include=header.name)}
    with atomic_path(header) as first, atomic_path(source) as second:
        first.write_text(texts[header], encoding="ascii")
        second.write_text(texts[source], encoding="ascii")


def identifier(name: str) -> str:
    """Return `name` as a C identifier in lower case.

    >>> identifier("fmnist-compact-int8")
    'fmnist_compact_int8'
    """
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


def _mark(graph: bytes, card: ModelCard) -> str:
    """Return the macro of one export: its header defines it, and its source does not compile without."""
    return f"{identifier(card.name).upper()}_EXPORT_{sha256_hex(graph + card.to_json().encode())[:16]}"


def source_text(graph: bytes, card: ModelCard, *, include: str) -> str:
    """Return the C source: the model as an array of bytes, and the labels; valid C11 and C++17."""
    name = identifier(card.name)
    rows = (graph[start : start + _PER_LINE] for start in range(0, len(graph), _PER_LINE))
    numbers = ",\n".join(",".join(map(_BYTES.__getitem__, row)) for row in rows)
    labels = ",\n".join(f"    {_literal(label)}" for label in card.labels)
    return (
        f"/* The model {_comment(card.name)} as bytes; see {include}. Made by fmnist-edge; do not edit. */\n"
        f'#include "{include}"\n\n'
        f'#ifndef {_mark(graph, card)}\n#error "{include} is of another export: export both files again"\n#endif\n\n'
        "#ifndef __cplusplus\n#include <stdalign.h>\n#endif\n\n"
        f"alignas(16) const unsigned char {name}[{name.upper()}_LENGTH] = {{\n{numbers}\n}};\n\n"
        f"const char *const {name}_labels[{name.upper()}_CLASSES] = {{\n{labels}\n}};\n"
    )


def header_text(graph: bytes, card: ModelCard) -> str:
    """Return the header: the contract, the provenance and the memory in words, the numbers as macros."""
    model = read_model(graph)
    name = identifier(card.name)
    calls = _resolver_calls(model)
    arena = arena_bytes(graph)
    macros = {
        "LENGTH": f"{len(graph)}u",
        "ARENA_BYTES": f"{arena}u",
        "OPERATORS": len(calls),
        "HEIGHT": 28,
        "WIDTH": 28,
        "CLASSES": len(card.labels),
        **_quantization_macros(model),
    }
    defines = "".join(f"#define {name.upper()}_{key} {value}\n" for key, value in macros.items())
    return (
        f"{_description(card, calls, arena)}\n#ifndef {name.upper()}_H\n#define {name.upper()}_H\n\n"
        f"#define {_mark(graph, card)}\n{defines}\n"
        f'#ifdef __cplusplus\nextern "C" {{\n#endif\n\n'
        f"extern const unsigned char {name}[{name.upper()}_LENGTH];\n"
        f"extern const char *const {name}_labels[{name.upper()}_CLASSES];\n\n"
        "#ifdef __cplusplus\n}\n#endif\n\n#endif\n"
    )


def _description(card: ModelCard, calls: list[str], arena: int) -> str:
    calibration, training = card.calibration or {}, card.training or {}
    accuracy = training.get("validation_accuracy")
    images = f"{calibration.get('count')} images of the {calibration.get('split')} split"
    lines = [
        f"{card.name}: Fashion-MNIST, {card.recipe}, for TensorFlow Lite Micro. Made by fmnist-edge; do not edit.",
        "",
        "Input   pixels, uint8_t [1][28][28]: raw, 0 is background; there is nothing to scale.",
        f"Output  probabilities, float [1][{len(card.labels)}]: they sum to 1; the index is that of the labels.",
        f"Arena   {arena:,} bytes are enough for the reference kernels; a vendor's kernels (CMSIS-NN, ESP-NN) want",
        "        scratch memory on top.",
        "",
        f"tflite::MicroMutableOpResolver<{len(calls)}> resolver;",
        *(f"resolver.{call}();" for call in calls),
        "",
        f"Architecture   {card.arch}",
        f"Trained        {_summary(training.get('options'))}",
        f"Accuracy       {'unknown' if accuracy is None else f'{accuracy:.2%}'} on the validation images, in float32",
        f"Calibrated     on {images}, ranges by {calibration.get('method')}",
        f"Dataset        SHA-256 {calibration.get('dataset_sha256')}",
        f"This array     SHA-256 {card.graph_sha256}",
        f"Made with      {_summary(card.versions)}",
    ]
    return "/* " + "\n * ".join(_comment(line) for line in lines) + "\n */"


def _summary(values: Any) -> str:
    if not values:
        return "unknown"
    return one_line(", ".join(f"{key} {value}" for key, value in values.items()))


def _comment(text: str) -> str:
    """Return `text` in ASCII and unable to end a comment.

    >>> _comment("an é */ b")
    'an ? * / b'
    """
    return text.encode("ascii", "replace").decode().replace("*/", "* /").replace("/*", "/ *").rstrip()


def _literal(text: str) -> str:
    r"""Return `text` as a C string literal.

    >>> print(_literal('T-shirt/top "x"'))
    "T-shirt/top \"x\""
    """
    return json.dumps(text.encode("ascii", "replace").decode())


def _resolver_calls(model: Any) -> list[str]:
    calls = []
    for operator in model.subgraphs[0].operators:
        name = operator_name(model, operator)
        if name not in RESOLVER:
            layer = model.subgraphs[0].tensors[operator.outputs[0]].name.decode().split(";")[0]
            what = f"{layer} needs the operator {name}, which is not known to run on a microcontroller"
            raise EdgeError(what, expected=", ".join(RESOLVER), hint="use other layers, or export it as .tflite")
        calls.append(RESOLVER[name])
    return sorted(set(calls))


def _quantization_macros(model: Any) -> dict[str, str | int]:
    """Return scale and zero point of the input and of the logits, which the last operator but one makes real."""
    graph = model.subgraphs[0]
    dequantize = [operator for operator in graph.operators if operator_name(model, operator) == "DEQUANTIZE"][-1]
    found: dict[str, str | int] = {}
    for key, index in (("INPUT", graph.inputs[0]), ("LOGITS", dequantize.inputs[0])):
        quantization = graph.tensors[index].quantization
        found[f"{key}_SCALE"] = f"{float(quantization.scale[0]):.8e}f"
        found[f"{key}_ZERO_POINT"] = int(quantization.zeroPoint[0])
    return found
