"""What is said when TensorFlow is missing or Keras uses something else."""

from __future__ import annotations

import sys

import keras
import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train import require_tensorflow


@pytest.mark.parametrize("name", ["tensorflow", "keras"])
def test_a_missing_library_is_named_with_the_command_that_mends_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EdgeError, match=rf"TensorFlow is needed.*{name}.*pip install 'fmnist-edge\[train\]'"):
        require_tensorflow()


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(EdgeError, match="another Keras backend is set; expected tensorflow; got jax"):
        require_tensorflow()


def test_a_good_installation_passes() -> None:
    require_tensorflow()
    assert keras.config.backend() == "tensorflow"
