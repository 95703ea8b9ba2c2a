"""Train a model in Keras and write a run folder that says how. Needs TensorFlow (the extra ``[train]``).

Only `keras_model` and the architectures import Keras when they are imported; the rest imports it when it works, so that
``fmnist-edge --help`` stays instant.
"""

from __future__ import annotations

import os

from ..common.errors import EdgeError
from ..common.extras import import_extra
from ..common.quiet import quiet_standard_error


def require_tensorflow() -> None:
    """Import TensorFlow and Keras without the dozen lines that they print about devices.

    Raises:
        EdgeError: they are not installed, or Keras is set to another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet_standard_error():
        _, keras = (
            import_extra(name, needed="TensorFlow is needed for this", extra="train")
            for name in ("tensorflow", "keras")
        )
    if keras.config.backend() != "tensorflow":
        raise EdgeError("another Keras backend is set", expected="tensorflow", got=keras.config.backend())
