"""Import TensorFlow quietly before the modules of this folder import Keras."""

from __future__ import annotations

from fmnist_edge.train import require_tensorflow

require_tensorflow()
