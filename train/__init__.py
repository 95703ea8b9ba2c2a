"""Train a model in Keras and write a run folder that says how. Needs TensorFlow (the extra ``[train]``).

Only `keras_model` and the architectures import Keras when they are imported; the rest imports it when it works, so that
``fmnist-edge --help`` stays instant.
"""

from __future__ import annotations

import importlib
import os

from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error


def require_tensorflow() -> None:
    """Import TensorFlow and Keras without the dozen lines that they print about devices.

    Raises:
        EdgeError: they are not installed, or Keras is set to another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with quiet_standard_error():
            importlib.import_module("tensorflow")
            keras = importlib.import_module("keras")
    except ImportError as error:
        hint = "pip install 'fmnist-edge[train]'"
        raise EdgeError("TensorFlow is needed for this", got=str(error), hint=hint) from error
    if keras.config.backend() != "tensorflow":
        raise EdgeError("another Keras backend is set", expected="tensorflow", got=keras.config.backend())
