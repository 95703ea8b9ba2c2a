"""An ONNX file that wants other files is refused before a runtime opens them, wherever in the graph it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.runtime import open_runner
from fmnist_edge.runtime.external import MAX_FIELDS, require_one_file
from fmnist_edge.runtime.trust import Trust

EXTERNAL = r"a\.onnx wants other files; expected weights inside; got external data; next: save it with its weights ins"


def outside(location: str = "../../../../etc/passwd") -> Any:
    """Return a tensor whose content lies in another file."""
    from onnx import TensorProto

    tensor = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[10], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def as_initializer(graph: Any) -> None:
    graph.initializer.append(outside())


def as_sparse_initializer(graph: Any) -> None:
    graph.sparse_initializer.add().values.CopyFrom(outside())


def as_constant(graph: Any) -> None:
    from onnx import helper

    graph.node.append(helper.make_node("Constant", [], ["w"], value=outside()))


def as_list(graph: Any) -> None:
    graph.node.add(op_type="Custom").attribute.add(name="all").tensors.append(outside())


def in_a_branch(graph: Any) -> None:
    from onnx import helper

    branch = helper.make_graph([], "then", [], [], [outside()])
    graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def without_a_location(graph: Any) -> None:
    tensor = outside()
    del tensor.external_data[:]
    graph.initializer.append(tensor)


def with_a_location_alone(graph: Any) -> None:
    tensor = outside("weights.bin")
    tensor.ClearField("data_location")
    graph.initializer.append(tensor)


PLACES = [
    as_initializer,
    as_sparse_initializer,
    as_constant,
    as_list,
    in_a_branch,
    without_a_location,
    with_a_location_alone,
]


def save(path: Path, change: Callable[[Any], None]) -> Path:
    from onnx import TensorProto, helper

    pixels = helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 28, 28])
    model = helper.make_model(helper.make_graph([], "g", [pixels], [], [helper.make_tensor("k", 1, [1], [0.5])]))
    change(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("change", PLACES, ids=lambda change: change.__name__)
def test_weights_in_other_files_are_refused(change: Callable[[Any], None], tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", change)
    with pytest.raises(EdgeError, match=EXTERNAL):
        require_one_file(path)
    with pytest.raises(EdgeError, match=EXTERNAL):
        open_runner(path, trust=Trust(verify=False))


def test_in_a_function_of_the_model_and_in_its_training(tmp_path: Path) -> None:
    from onnx import ModelProto

    path = tmp_path / "a.onnx"
    function, training = ModelProto(), ModelProto()
    function.functions.add(name="f").node.add(op_type="Constant").attribute.add(name="value").t.CopyFrom(outside())
    training.training_info.add().initialization.initializer.append(outside())
    for model in (function, training):
        path.write_bytes(model.SerializeToString())
        with pytest.raises(EdgeError, match=EXTERNAL):
            require_one_file(path)


def test_a_second_message_behind_the_first_is_looked_at(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(make_onnx(sealed=False).read_bytes() + save(tmp_path / "b.onnx", as_initializer).read_bytes())
    with pytest.raises(EdgeError, match=EXTERNAL):
        require_one_file(path)


def test_weights_inside_are_no_other_file(exports: Path, tmp_path: Path) -> None:
    for path in exports.glob("*.onnx"):
        require_one_file(path)
    require_one_file(save(tmp_path / "a.onnx", lambda graph: None))


def test_another_file_would_have_been_read(tmp_path: Path) -> None:
    """What this guards against: onnxruntime itself does open files beside the model."""
    import onnxruntime
    from onnx import TensorProto, helper

    (tmp_path / "secret.bin").write_bytes(b"0123456789")
    result = helper.make_tensor_value_info("y", TensorProto.UINT8, [10])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [result], [outside("secret.bin")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert np.asarray(session.run(None, {})[0]).tobytes() == b"0123456789"
    with pytest.raises(EdgeError, match=EXTERNAL):
        require_one_file(path)


def test_inspect_refuses_it_too(tmp_path: Path) -> None:
    from fmnist_edge.export.inspection import inspect

    with pytest.raises(EdgeError, match=EXTERNAL):
        inspect(save(tmp_path / "a.onnx", as_initializer))


def nested(depth: int) -> bytes:
    """Return a model with so many graphs within each other, and no end to each."""
    content = b""
    for _ in range(depth):
        attribute = b"\x32" + _length(content) + content
        node = b"\x2a" + _length(attribute) + attribute
        content = b"\x0a" + _length(node) + node
    return b"\x3a" + _length(content) + content


def _length(content: bytes) -> bytes:
    size, out = len(content), b""
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    return out + bytes([size])


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"\x3a\xff\x01", "the field at byte 3 is longer than its message"),
        (b"\x0b", "no field at byte 0"),
        (b"\x80", "no integer"),
        (b"\x09\x00", "the field at byte .* is longer than its message"),
        (nested(200), "more than 64 messages within each other"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, got: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(EdgeError, match=f"cannot load .*expected a whole ONNX model; got {got}; next: export or copy"):
        require_one_file(tmp_path / "a.onnx")


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*a\.onnx; expected a model file; got No such file"):
        require_one_file(tmp_path / "a.onnx")


@pytest.mark.parametrize("field", [b"\x08\x01", b"\x7a\x00", b"\x0d\x00\x00\x00\x00"], ids=["number", "empty", "fixed"])
def test_a_file_of_millions_of_tiny_fields_is_not_walked_through(field: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(field * MAX_FIELDS)
    require_one_file(path)
    path.write_bytes(field * (MAX_FIELDS + 1))
    with pytest.raises(
        EdgeError, match=r"expected a whole ONNX model; got more than 200,000 fields; next: export or c"
    ):
        require_one_file(path)


def test_the_fields_of_all_messages_are_counted_together(tmp_path: Path) -> None:
    nodes = b"\x0a\x00" * 60
    graph = b"\x3a" + bytes([len(nodes)]) + nodes
    path = tmp_path / "a.onnx"
    path.write_bytes(graph * (MAX_FIELDS // 61))
    require_one_file(path)
    path.write_bytes(graph * (MAX_FIELDS // 61 + 1))
    with pytest.raises(EdgeError, match="got more than 200,000 fields"):
        require_one_file(path)
