"""Train a model in Keras and write a run folder that says how. Needs TensorFlow (the extra ``[train]``).

Only `keras_model` and the architectures import Keras when they are imported; the rest imports it when it works, so that
``fmnist-edge --help`` stays instant.
"""

from __future__ import annotations

import os

from ..common.errors import EdgeError
from ..common.extras import import_extra
from ..common.memory import require_addresses
from ..common.quiet import quiet_standard_error

_ADDRESSES_BYTES = 3_000_000_000
"""TensorFlow reserves 2.3 GB on two processors before it has trained anything, and ends the process where it cannot."""


def require_tensorflow() -> None:
    """Import TensorFlow and Keras without the dozen lines that they print about devices.

    Raises:
        EdgeError: they are not installed, they may not take the memory that they need, or Keras is set to another
            backend.
    """
    require_addresses(_ADDRESSES_BYTES, module="tensorflow", name="TensorFlow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet_standard_error():
        _, keras = (
            import_extra(name, needed="TensorFlow is needed for this", extra="train")
            for name in ("tensorflow", "keras")
        )
    if keras.config.backend() != "tensorflow":
        raise EdgeError("another Keras backend is set", expected="tensorflow", got=keras.config.backend())
