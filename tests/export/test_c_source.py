"""The C files: they compile, hold the very bytes, say what they are, and run on a microcontroller's interpreter."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from keras import layers

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import LABELS, Split
from fmnist_edge.export.arena import arena_bytes
from fmnist_edge.export.c_source import RESOLVER, header_path, header_text, source_text, write_c
from fmnist_edge.export.exporter import export
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.recipe import INT8, INT16X8
from fmnist_edge.export.tflite_file import append_card
from fmnist_edge.export.trace import infer
from fmnist_edge.runtime.card import ModelCard, read_tflite_card

try:
    from tflite_micro import runtime as micro
except ImportError:
    micro = None

Network = Callable[..., keras.Model]
ToInt8 = Callable[[keras.Model], bytes]
RECIPES = ["int8", "int16x8"]
needs_micro = pytest.mark.skipif(micro is None, reason="tflite-micro has no package for this machine")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine; run: make system")
needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine; run: make system")

MAIN = """
#include <stdio.h>
#include "NAME.h"

int main(void) {
    unsigned long sum = 0;
    for (unsigned i = 0; i < PREFIX_LENGTH; ++i) { sum = (sum * 31 + IDENTIFIER[i]) & 0xffffffffUL; }
    printf("%u %lu %u\\n", PREFIX_LENGTH, sum, (unsigned)((size_t)IDENTIFIER % 16));
    for (int i = 0; i < PREFIX_CLASSES; ++i) { printf("%s\\n", IDENTIFIER_labels[i]); }
    return PREFIX_INPUT_ZERO_POINT + (PREFIX_INPUT_SCALE < 0) + (PREFIX_LOGITS_SCALE < 0);
}
"""


@pytest.fixture(scope="module")
def sources(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the C files of both recipes."""
    folder = tmp_path_factory.mktemp("c")
    for recipe in RECIPES:
        write_c(folder / f"fmnist-compact-{recipe}.c", exports / f"fmnist-compact-{recipe}.tflite")
    return folder


def bytes_of(source: Path) -> bytes:
    """Read the array back from C source, as a compiler would."""
    (body,) = re.findall(r"_LENGTH\] = \{\n(.*?)\n\};", source.read_text(), flags=re.DOTALL)
    return bytes(int(number) for number in body.replace("\n", "").split(","))


def macros_of(header: Path) -> dict[str, str]:
    return dict(re.findall(r"#define FMNIST_COMPACT_[A-Z0-9]+?_([A-Z_]+) (\S+)", header.read_text()))


def answers_of(content: bytes, images: npt.NDArray[np.uint8], arena: int) -> npt.NDArray[np.float32]:
    """Return what TensorFlow Lite Micro says to `images` with an arena of that many bytes."""
    interpreter = micro.Interpreter.from_bytes(content, arena_size=arena)
    answers = []
    for image in images:
        interpreter.set_input(image[np.newaxis], 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0))
    return np.concatenate(answers)


def reference_answers(content: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return what LiteRT's reference kernels say, which those for microcontrollers were made from."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    answers = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(target))
    return np.concatenate(answers)


# --- on a microcontroller ---------------------------------------------------------------------------------------------


@needs_micro
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_array_answers_as_litert_on_a_thousand_images(recipe: str, sources: Path, thousand: Split) -> None:
    source = sources / f"fmnist-compact-{recipe}.c"
    content = bytes_of(source)
    arena = int(macros_of(header_path(source))["ARENA_BYTES"].rstrip("u"))
    answers, expected = answers_of(content, thousand.images, arena), reference_answers(content, thousand.images)
    np.testing.assert_array_equal(answers.argmax(axis=1), expected.argmax(axis=1))
    assert np.isclose(answers, expected, atol=1e-6).all(axis=1).mean() >= 0.95  # the same logits, to the last bit
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    # XNNPACK rounds otherwise than LiteRT's own reference (seen: by 0.044 at most). It may answer otherwise only where
    # two classes are as near as that; a network trained for seconds has five to ten such pictures in a thousand.
    np.testing.assert_allclose(infer(content, thousand.images), answers, rtol=0, atol=0.08)


def least_arena(content: bytes, enough: int) -> int:
    """Return the smallest arena that works, up to 16 bytes."""
    too_small = 0
    while enough - too_small > 16:
        middle = (enough + too_small) // 2
        try:
            answers_of(content, np.zeros((1, 28, 28), np.uint8), middle)
            enough = middle
        except RuntimeError:
            too_small = middle
    return enough


MIDDLES: dict[str, Callable[[Any], Any]] = {
    "dense": layers.Flatten(),
    "convolution": layers.Conv2D(8, 3, activation="relu"),
    "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=4),
    "max pooling": lambda x: layers.MaxPooling2D(2)(layers.Conv2D(8, 3)(x)),
    "global average": lambda x: layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x)),
    "average pooling": lambda x: layers.AveragePooling2D(2)(layers.Conv2D(8, 3)(x)),
    "concatenation": lambda x: layers.Concatenate()([layers.Conv2D(4, 3)(x), layers.Conv2D(2, 3)(x)]),
    "product": lambda x: layers.Multiply()([layers.Conv2D(4, 3)(x), layers.Conv2D(4, 3)(x)]),
    "padding": lambda x: layers.Conv2D(4, 3)(layers.ZeroPadding2D(2)(x)),
    "deep": lambda x: layers.Conv2D(4, 3)(layers.Conv2D(32, 3)(layers.Conv2D(4, 3)(x))),
}


@needs_micro
@pytest.mark.parametrize("name", MIDDLES)
def test_the_arena_is_enough_and_little_more_than_that(
    name: str, network: Network, to_int8: ToInt8, thousand: Split
) -> None:
    content = to_int8(network(MIDDLES[name]))
    images, arena = thousand.images[:20], arena_bytes(content)
    np.testing.assert_allclose(answers_of(content, images, arena), infer(content, images), atol=0.05)
    least = least_arena(content, arena)
    assert least <= arena <= least + max(0.15 * least, 2_000)


@needs_micro
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_arena_of_the_real_network_is_at_most_a_tenth_too_large(recipe: str, sources: Path) -> None:
    content = bytes_of(sources / f"fmnist-compact-{recipe}.c")
    arena = arena_bytes(content)
    assert least_arena(content, arena) <= arena <= 1.1 * least_arena(content, arena)


def test_every_operator_of_the_list_was_tried(network: Network, to_int8: ToInt8, sources: Path) -> None:
    contents = [to_int8(network(middle)) for middle in MIDDLES.values()]
    contents += [bytes_of(sources / f"fmnist-compact-{recipe}.c") for recipe in RECIPES]
    models = [read_model(content) for content in contents]
    tried = {operator_name(model, entry) for model in models for entry in model.subgraphs[0].operators}
    assert tried == set(RESOLVER)


# --- with a compiler --------------------------------------------------------------------------------------------------


def checksum(content: bytes) -> int:
    total = 0
    for byte in content:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param(["gcc", "-std=c11"], marks=needs_gcc, id="c11"),
        pytest.param(["g++", "-std=c++17", "-x", "c++"], marks=needs_gxx, id="c++17"),
    ],
)
def test_a_program_finds_the_very_bytes_and_labels(
    compiler: list[str], recipe: str, sources: Path, exports: Path, tmp_path: Path
) -> None:
    name = f"fmnist-compact-{recipe}"
    text = MAIN.replace("NAME", name).replace("PREFIX", name.upper().replace("-", "_"))
    (tmp_path / "main.c").write_text(text.replace("IDENTIFIER", name.replace("-", "_")))
    command = [*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", str(sources), "-o", str(tmp_path / "main")]
    subprocess.run([*command, str(tmp_path / "main.c"), str(sources / f"{name}.c")], check=True)
    done = subprocess.run([str(tmp_path / "main")], check=True, capture_output=True, text=True)
    tflite = exports / f"{name}.tflite"
    graph = tflite.read_bytes()[: read_tflite_card(tflite).graph_bytes]
    numbers, *labels = done.stdout.splitlines()
    assert numbers == f"{len(graph)} {checksum(graph)} 0"
    assert labels == list(LABELS)


@needs_gcc
@pytest.mark.parametrize(
    "change", [{}, {"labels": LABELS[::-1]}, {"recipe": "another"}], ids=["same", "labels", "recipe"]
)
def test_source_and_header_of_two_exports_do_not_compile(change: dict[str, Any], exports: Path, tmp_path: Path) -> None:
    tflite = exports / "fmnist-compact-int8.tflite"
    card = read_tflite_card(tflite)
    graph = tflite.read_bytes()[: card.graph_bytes]
    (tmp_path / "a.h").write_text(header_text(graph, card))
    (tmp_path / "a.c").write_text(source_text(graph, replace(card, **change), include="a.h"))
    command = ["gcc", "-std=c11", "-fsyntax-only", str(tmp_path / "a.c")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) == (not change)
    assert ("a.h is of another export: export both files again" in done.stderr) == bool(change)


# --- what the header says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_header_says_what_the_array_is(recipe: str, sources: Path, exports: Path) -> None:
    source = sources / f"fmnist-compact-{recipe}.c"
    content, header = bytes_of(source), header_path(source).read_text()
    card = read_tflite_card(exports / f"fmnist-compact-{recipe}.tflite")
    assert hashlib.sha256(content).hexdigest() == card.graph_sha256
    training = card.training
    assert training is not None
    for words in (
        "uint8_t [1][28][28]: raw, 0 is background",
        "float [1][10]: they sum to 1",
        f"This array     SHA-256 {card.graph_sha256}",
        "on 500 images of the train split",
        f"Accuracy       {training['validation_accuracy']:.2%}",
        "arch compact, epochs 2",
        "resolver.AddConv2D();",
        f"{int(macros_of(header_path(source))['ARENA_BYTES'].rstrip('u')):,} bytes are enough",
    ):
        assert words in header
    graph = read_model(content).subgraphs[0]
    (logits,) = (graph.tensors[index].quantization for index in graph.operators[-2].inputs)
    macros = macros_of(header_path(source))
    assert np.float32(macros["LOGITS_SCALE"].rstrip("f")) == logits.scale[0]
    assert int(macros["LOGITS_ZERO_POINT"]) == logits.zeroPoint[0]
    assert np.float32(macros["INPUT_SCALE"].rstrip("f")) == np.float32(1 / 255)
    assert int(macros["OPERATORS"]) == header.count("resolver.Add")


@pytest.fixture
def parts(exports: Path) -> tuple[bytes, ModelCard]:
    """A graph and its card."""
    path = exports / "fmnist-compact-int8.tflite"
    card = read_tflite_card(path)
    return path.read_bytes()[: card.graph_bytes], card


def test_names_from_outside_cannot_leave_their_place(parts: tuple[bytes, ModelCard]) -> None:
    graph, card = parts
    odd = replace(card, name="fmnist-7*/é-x.y", arch="*/ int evil; /*", labels=('a"b\\', *card.labels[1:]))
    header, source = header_text(graph, odd), source_text(graph, odd, include="x.h")
    assert header.count("*/") == source.count("*/") == 1
    assert "extern const unsigned char fmnist_7____x_y[FMNIST_7____X_Y_LENGTH];" in header
    assert '    "a\\"b\\\\",' in source
    assert (header + source).isascii()


def test_a_card_without_training_says_so(parts: tuple[bytes, ModelCard]) -> None:
    header = header_text(parts[0], replace(parts[1], training=None))
    assert "Trained        unknown" in header
    assert "Accuracy       unknown" in header


# --- whole or absent --------------------------------------------------------------------------------------------------


def test_the_export_writes_both_files_and_tells_of_both(compact_run: Path, exports: Path, tmp_path: Path) -> None:
    written = export(compact_run, [INT8], ["c"], tmp_path)
    assert [file.path.name for file in written] == ["fmnist-compact-int8.c", "fmnist-compact-int8.h"]
    assert [(file.recipe, file.format) for file in written] == [("int8", "c")] * 2
    assert [file.size_bytes for file in written] == [file.path.stat().st_size for file in written]
    assert sorted(tmp_path.iterdir()) == [file.path for file in written]
    card = read_tflite_card(exports / "fmnist-compact-int8.tflite")
    assert bytes_of(written[0].path) == (exports / "fmnist-compact-int8.tflite").read_bytes()[: card.graph_bytes]


@pytest.mark.parametrize("suffix", ["c", "h"])
def test_either_file_that_exists_is_kept(suffix: str, compact_run: Path, tmp_path: Path) -> None:
    precious = tmp_path / f"fmnist-compact-int16x8.{suffix}"
    precious.write_text("precious")
    with pytest.raises(EdgeError, match=rf"fmnist-compact-int16x8\.{suffix} exists; next: name another --out"):
        export(compact_run, [INT16X8], ["c"], tmp_path)
    assert list(tmp_path.iterdir()) == [precious]


def test_the_gate_holds_for_c_files(compact_run: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"fmnist-compact-int8.c fails.*it was not written"):
        export(compact_run, [INT8], ["c"], tmp_path, max_drop_points=-50)
    assert list(tmp_path.iterdir()) == []


def test_an_operator_that_was_not_tried_is_refused_by_name(
    parts: tuple[bytes, ModelCard], network: Network, to_int8: ToInt8, tmp_path: Path
) -> None:
    graph = write_model(read_model(to_int8(network(lambda x: keras.ops.tanh(layers.Conv2D(2, 3)(x))))))
    (tmp_path / "tiny.tflite").write_bytes(append_card(graph, replace(parts[1], graph_bytes=len(graph))))
    message = r"tiny.*Tanh needs the operator TANH, which is not known to run on a microcontroller; expected .*ADD"
    with pytest.raises(EdgeError, match=message):
        write_c(tmp_path / "tiny.c", tmp_path / "tiny.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.tflite"]
