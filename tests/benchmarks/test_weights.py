"""The types of a file's constants: read from real files, and a name that they belie is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_edge.benchmarks.weights import read_weight_bytes, recipe_finding

SMALL = {"float16": "float16", "dynamic": "int8", "int8": "int8"}


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        *(("float32", kind) for kind in ("onnx", "tflite")),
        *(("float16", kind) for kind in ("onnx", "tflite")),
        *(("int8", kind) for kind in ("onnx", "tflite")),
        ("dynamic", "tflite"),
    ],
)
def test_every_real_export_holds_what_its_recipe_says(exports: Path, recipe: str, kind: str) -> None:
    path = exports / f"fmnist-compact-{recipe}.{kind}"
    found = read_weight_bytes(path)
    assert found is not None
    main = max(found, key=lambda name: found[name])
    assert main == SMALL.get(recipe, "float32")
    assert 0.7 * path.stat().st_size < sum(found.values()) + 40_000
    assert sum(found.values()) < path.stat().st_size
    assert recipe_finding(path.name, recipe, found) is None


def test_dynamic_onnx_leaves_the_convolutions_of_the_compact_network_float_and_is_told_so(exports: Path) -> None:
    """onnxruntime's dynamic quantization covers matrix products, of which this network has almost none."""
    found = read_weight_bytes(exports / "fmnist-compact-dynamic.onnx")
    assert found is not None
    assert found["float32"] > 10 * found["int8"] > 0
    assert "are float32" in (recipe_finding("a", "dynamic", found) or "")


def test_onnx_agrees_with_onnx_itself(exports: Path) -> None:
    import onnx
    from onnx import numpy_helper

    path = exports / "fmnist-compact-int8.onnx"
    expected: dict[str, int] = {}
    for tensor in onnx.load(path).graph.initializer:
        array = numpy_helper.to_array(tensor)
        expected[array.dtype.name] = expected.get(array.dtype.name, 0) + len(tensor.raw_data or array.tobytes())
    found = read_weight_bytes(path)
    assert found is not None
    assert found["int8"] == expected["int8"]
    assert set(found) == set(expected)


@pytest.mark.parametrize("recipe", ["float16", "dynamic", "int8"])
@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_float_file_of_another_name_is_found(exports: Path, recipe: str, kind: str) -> None:
    found = read_weight_bytes(exports / f"fmnist-compact-float32.{kind}")
    said = recipe_finding("a", recipe, found)
    assert said is not None
    assert said.startswith(f"a is called {recipe}, but ")
    assert said.endswith("% of the bytes of its weights are float32")


def test_what_is_not_known_is_not_judged(exports: Path) -> None:
    found = read_weight_bytes(exports / "fmnist-compact-float32.onnx")
    assert recipe_finding("a", "float32", found) is None
    assert recipe_finding("a", "int4", found) is None
    assert recipe_finding("a", "int8", None) is None
    assert recipe_finding("a", "int8", {}) is None


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_damaged_files_are_unknown_and_no_failure(exports: Path, tmp_path: Path, suffix: str) -> None:
    whole = (exports / f"fmnist-compact-int8.{suffix}").read_bytes()
    path = tmp_path / f"a.{suffix}"
    assert read_weight_bytes(path) is None
    for content in (b"", b"\xff" * 64, whole[:10], whole[: len(whole) // 2], whole[7:], bytes(100)):
        path.write_bytes(content)
        found = read_weight_bytes(path)
        assert found is None or all(size >= 0 for size in found.values())
