"""What is said when a converter is not installed."""

from __future__ import annotations

import sys

import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export import require_converters


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("onnx", "onnx"),
        ("tf2onnx", "tf2onnx"),
        ("flatbuffers", "flatbuffers"),
        ("ai_edge_litert.schema_py_generated", "ai_edge_litert"),
    ],
)
def test_a_missing_converter_is_named_with_the_command_that_mends_it(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EdgeError, match=rf"^{name} is needed to export; .*pip install 'fmnist-edge\[export\]'"):
        require_converters()


def test_a_good_installation_passes() -> None:
    require_converters()
    assert "tf2onnx" in sys.modules
