"""Runners: the same answers from either runtime, and every unusable file refused in words."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import Split
from fmnist_edge.export.tflite_file import append_card
from fmnist_edge.runtime import ModelCard, open_runner
from fmnist_edge.runtime import runner as runners
from fmnist_edge.runtime.runner import ExportedRunner
from fmnist_edge.runtime.trust import Trust

IMAGES = np.zeros((2, 28, 28), np.uint8)


@pytest.fixture(params=["onnx", "tflite"])
def int8(request: pytest.FixtureRequest, exports: Path) -> Path:
    """The int8 file of either format."""
    return exports / f"fmnist-compact-int8.{request.param}"


def test_onnx_and_tflite_int8_give_the_same_labels_and_nearly_the_same_probabilities(
    int8_onnx: Path, int8_tflite: Path, test_split: Split
) -> None:
    part = test_split.first(500)
    with open_runner(int8_onnx) as onnx, open_runner(int8_tflite) as tflite:
        left, right = onnx.infer(part.images), tflite.infer(part.images)
    assert np.array_equal(left.argmax(axis=1), right.argmax(axis=1))
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-5)
    assert (left.argmax(axis=1) == part.labels).mean() > 0.6  # a network that learned, not one that says one thing


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_every_exported_file_gives_probabilities(exports: Path, test_split: Split, recipe: str, suffix: str) -> None:
    path = exports / f"fmnist-compact-{recipe}.{suffix}"
    with open_runner(path) as runner:
        probabilities = runner.infer(test_split.first(20).images)
        assert (runner.name, runner.format, runner.classes) == (path.stem, suffix, 10)
    assert probabilities.shape == (20, 10)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_batch_gives_the_same_answers_as_its_images_one_by_one(int8: Path, test_split: Split, count: int) -> None:
    images = test_split.images[:count]
    with open_runner(int8) as runner:
        together = runner.infer(images)
        singly = [runner.infer(images[position : position + 1])[0] for position in range(count)]
    assert together.shape == (count, 10)
    np.testing.assert_allclose(together, np.array(singly, np.float32).reshape(count, 10), rtol=0, atol=1e-6)


@pytest.mark.parametrize("view", [lambda images: images.transpose(0, 2, 1), lambda images: images[::3]])
def test_images_need_not_lie_side_by_side_in_memory(
    int8: Path, test_split: Split, view: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
) -> None:
    images = view(test_split.images[:9])
    assert not images.flags.c_contiguous
    with open_runner(int8) as runner:
        assert np.array_equal(runner.infer(images), runner.infer(np.ascontiguousarray(images)))


def test_several_threads_give_the_same_answers(int8: Path, test_split: Split) -> None:
    images = test_split.images[:5]
    with open_runner(int8) as one, open_runner(int8, threads=2) as two:
        np.testing.assert_allclose(one.infer(images), two.infer(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (np.zeros((1, 28, 28), np.float32), r"float32 \(1, 28, 28\)"),
        (np.zeros((1, 28, 28), np.int8), r"int8 \(1, 28, 28\)"),
        (np.zeros((28, 28), np.uint8), r"uint8 \(28, 28\)"),
        (np.zeros((1, 28, 28, 1), np.uint8), r"uint8 \(1, 28, 28, 1\)"),
        (np.zeros((1, 28, 27), np.uint8), r"uint8 \(1, 28, 27\)"),
    ],
)
def test_images_of_another_type_or_shape_are_refused(int8: Path, images: npt.NDArray[np.uint8], got: str) -> None:
    with (
        open_runner(int8) as runner,
        pytest.raises(EdgeError, match=rf"unusable images; expected uint8 \(n, 28, 28\); got {got}"),
    ):
        runner.infer(images)


def test_a_runner_lets_go_of_its_model_when_its_block_ends(int8: Path) -> None:
    with open_runner(int8) as runner:
        runner.infer(IMAGES)
    with pytest.raises(AttributeError):
        runner.infer(IMAGES)


@pytest.mark.parametrize(
    ("machine", "features", "exact"),
    [
        ("x86_64", "flags : sse4_2 avx avx2 fma\n", True),
        ("AMD64", None, True),
        ("x86_64", "flags : avx2 avx512f avx512_vnni\n", False),
        ("x86_64", "flags : avx2 avx_vnni\n", False),
        ("aarch64", "Features : fp asimd crc32\n", False),
        ("arm64", None, False),
    ],
)
def test_the_fast_int8_kernels_saturate_on_x86_without_vnni_alone(
    tmp_path: Path, machine: str, features: str | None, *, exact: bool
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if features is not None:
        cpuinfo.write_text(features)
    assert runners._int8_saturates(cpuinfo, machine) is exact


@pytest.mark.parametrize("saturates", [True, False])
def test_onnxruntime_never_spins_and_is_exact_where_the_fast_kernels_saturate(
    make_onnx: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, *, saturates: bool
) -> None:
    entries: dict[str, str] = {}

    class Options(onnxruntime.SessionOptions):
        def add_session_config_entry(self, key: str, value: str) -> None:
            entries[key] = value
            super().add_session_config_entry(key, value)

    monkeypatch.setattr("onnxruntime.SessionOptions", Options)
    monkeypatch.setattr(runners, "_int8_saturates", lambda: saturates)
    with open_runner(make_onnx()) as runner:
        assert runner.infer(IMAGES).shape == (2, 10)
    assert entries.pop("session.intra_op.allow_spinning") == "0"
    assert entries == ({"session.x64quantprecision": "1"} if saturates else {})


def test_the_shared_part_of_the_runners_computes_nothing_itself(card: ModelCard) -> None:
    with pytest.raises(NotImplementedError), ExportedRunner(Path("a.onnx"), card, 10) as runner:
        runner.infer(IMAGES)


# --- files that are no models --------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [-1, 0, 257, 10**12])
def test_an_impossible_number_of_threads_is_refused(int8: Path, threads: int) -> None:
    with pytest.raises(EdgeError, match=f"unusable number of threads; expected 1 to 256; got {threads}"):
        open_runner(int8, threads=threads)


def absent(path: Path) -> None:
    """Leave nothing there."""


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
@pytest.mark.parametrize(
    ("put", "match"),
    [
        (absent, r"no file at .*model\.\w+; next: check the path, or make a model: fmnist-edge export --int8"),
        (Path.mkdir, r"model\.\w+ is not a file; expected a model file; got a folder"),
        (lambda path: path.symlink_to("/dev/null"), r"model\.\w+ is not a file; expected a model file; got a device"),
        (Path.touch, r"model\.\w+ is empty; expected a model file; got 0 bytes; next: export or copy it again"),
    ],
)
def test_what_is_no_file_with_something_in_it_is_refused(
    tmp_path: Path, suffix: str, put: Callable[[Path], object], match: str
) -> None:
    path = tmp_path / f"model.{suffix}"
    put(path)
    with pytest.raises(EdgeError, match=match):
        open_runner(path)


def test_a_file_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*; expected a model file; got File name too long"):
        open_runner(tmp_path / f"{'a' * 300}.onnx")


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, int8_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:  # root, who runs tests in containers, may read anything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(EdgeError, match=r"cannot read .*int8\.onnx; expected a model file; got Permission denied"):
        open_runner(int8_onnx)


@pytest.mark.parametrize(("name", "got"), [("model.keras", r"\.keras"), ("model", "none"), ("model.ONNX", r"\.ONNX")])
def test_another_suffix_is_refused(tmp_path: Path, name: str, got: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(
        EdgeError, match=rf"cannot run .*{name}; expected a file ending in \.onnx or \.tflite; got {got}"
    ):
        open_runner(tmp_path / name)


NO_ONNX = r"cannot load .*model\.onnx; expected a whole ONNX model; got .*; next: export or copy it again"
NO_TFLITE = r"cannot load .*model\.tflite; expected a whole TFLite model; got .*; next: export or copy it again"
NO_CARD = r"model\.\w+ has no ModelCard; got a file that is truncated or was not exported by fmnist-edge; next: "


@pytest.mark.parametrize(("suffix", "match"), [("onnx", NO_ONNX), ("tflite", NO_TFLITE)])
@pytest.mark.parametrize("content", [b"x", b"This is text.\n" * 100, b"version https://git-lfs.github.com/spec/v1\n"])
def test_text_is_no_model(tmp_path: Path, suffix: str, match: str, content: bytes) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    with pytest.raises(EdgeError, match=NO_CARD):
        open_runner(path)
    with pytest.raises(EdgeError, match=match):
        open_runner(path, trust=Trust(verify=False))


@pytest.mark.parametrize("cut", [1, 4, 8, 100, 0.25, 0.5, 0.75, 0.99, -100, -22, -1])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, int8: Path, cut: float) -> None:
    content = int8.read_bytes()
    path = tmp_path / f"model{int8.suffix}"
    path.write_bytes(content[: int(cut * len(content)) if isinstance(cut, float) else cut])
    with pytest.raises(EdgeError, match=f"{NO_CARD}|was changed or damaged"):
        open_runner(path)


def test_a_file_that_ends_right_behind_its_graph_has_no_card(tmp_path: Path, int8: Path) -> None:
    with open_runner(int8) as runner:
        graph_bytes = runner.card.graph_bytes
    path = tmp_path / f"model{int8.suffix}"
    path.write_bytes(int8.read_bytes()[:graph_bytes])
    with pytest.raises(EdgeError, match=NO_CARD):
        open_runner(path)


# --- models that are not ours --------------------------------------------------------------------------------------

OTHER = r"tiny\.onnx has another input or output; expected \[.*\]; got "


def test_the_small_model_of_these_tests_is_good(make_onnx: Callable[..., Path]) -> None:
    with open_runner(make_onnx()) as runner:
        assert runner.infer(IMAGES).tolist() == [[pytest.approx(0.1)] * 10] * 2


@pytest.mark.parametrize("batch", ["anything", None])
def test_the_free_batch_may_have_any_name_or_none(make_onnx: Callable[..., Path], batch: str | None) -> None:
    with open_runner(make_onnx(batch=batch)) as runner:
        assert runner.infer(IMAGES).shape == (2, 10)


def test_a_model_without_a_card_is_refused(make_onnx: Callable[..., Path]) -> None:
    with pytest.raises(EdgeError, match=r"tiny\.onnx has no ModelCard; got .*; next: export it: fmnist-edge export"):
        open_runner(make_onnx(text=None))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", r"tiny\.onnx has a damaged ModelCard; expected JSON; got "),
        (b"{\xff}", r"tiny\.onnx has no ModelCard; got a file that is truncated or was not exported by fmnist-edge"),
        ('{"card_version": 3}', r"cannot read the ModelCard of .*tiny\.onnx; expected card version 2; got 3; next: "),
        ('{"card_version": 1, "labels": []}', r"tiny\.onnx has a damaged ModelCard; expected all fields; got no name"),
    ],
)
def test_a_model_with_a_damaged_card_is_refused(make_onnx: Callable[..., Path], text: str | bytes, match: str) -> None:
    with pytest.raises(EdgeError, match=match):
        open_runner(make_onnx(text=text))


@pytest.mark.parametrize(
    ("contract", "got"),
    [
        ({"sides": (32, 32)}, r"\[\('tensor\(uint8\)', \['n', 32, 32\]\)"),
        ({"sides": (28, 28, 1)}, r"\[\('tensor\(uint8\)', \['n', 28, 28, 1\]\)"),
        ({"sides": ("h", "w")}, r"\[\('tensor\(uint8\)', \['n', 'h', 'w'\]\)"),
        ({"pixels": "FLOAT"}, r"\[\('tensor\(float\)', \['n', 28, 28\]\)"),
        ({"classes": 12}, r".*\('tensor\(float\)', \['n', 12\]\)\]"),
        ({"batch": 1}, r"\[\('tensor\(uint8\)', \[1, 28, 28\]\)"),
    ],
)
def test_an_onnx_model_with_another_input_or_output_is_refused(
    make_onnx: Callable[..., Path], contract: dict[str, object], got: str
) -> None:
    with pytest.raises(EdgeError, match=OTHER + got):
        open_runner(make_onnx(**contract))


def test_a_card_that_promises_other_classes_than_the_graph_has_is_refused(
    make_onnx: Callable[..., Path], other_labels: ModelCard
) -> None:
    with pytest.raises(EdgeError, match=r"expected .*\['n', 3\]\)\]; got .*\['n', 10\]\)\]"):
        open_runner(make_onnx(about=other_labels))


def with_card(path: Path, graph: bytes, card: ModelCard) -> Path:
    """Write a .tflite file whose card stands behind `graph`."""
    fields = {"graph_bytes": len(graph), "graph_sha256": sha256_hex(graph)}
    path.write_bytes(append_card(graph, dataclasses.replace(card, **fields)))
    return path


def test_a_tflite_model_with_other_classes_than_its_card_is_refused(
    tmp_path: Path, int8_tflite: Path, other_labels: ModelCard
) -> None:
    with open_runner(int8_tflite) as runner:
        graph = int8_tflite.read_bytes()[: runner.card.graph_bytes]
    path = with_card(tmp_path / "model.tflite", graph, other_labels)
    match = r"another input or output; expected .*\('float32', \[1, 3\]\)\]; got .*\('float32', \[1, 10\]\)\]"
    with pytest.raises(EdgeError, match=match):
        open_runner(path)


@pytest.mark.parametrize("graph", [b"", b"This is text.\n" * 100, b"\x1c\0\0\0TFL3" + b"\xff" * 100])
def test_a_tflite_file_that_is_nothing_but_a_card_is_refused(tmp_path: Path, card: ModelCard, graph: bytes) -> None:
    path = with_card(tmp_path / "model.tflite", graph, card)
    match = r"cannot load .*model\.tflite; expected a whole TFLite model; got .*; next: export or copy it again"
    with pytest.raises(EdgeError, match=match):
        open_runner(path)


def test_the_card_of_a_newer_release_is_refused_in_a_tflite_file_too(tmp_path: Path, card: ModelCard) -> None:
    path = with_card(tmp_path / "model.tflite", b"graph", dataclasses.replace(card, card_version=3))
    with pytest.raises(
        EdgeError, match=r"the ModelCard of .*model\.tflite; expected card version 2; got 3; next: update"
    ):
        open_runner(path)


def test_without_litert_a_tflite_file_tells_how_to_get_it(int8_tflite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    match = (
        r"LiteRT is needed to run .*\.tflite; got .*; next: pip install 'fmnist-edge\[litert\]', or use the \.onnx file"
    )
    with pytest.raises(EdgeError, match=match):
        open_runner(int8_tflite)
