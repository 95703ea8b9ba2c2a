"""fmnist-edge: Fashion-MNIST from training to a Raspberry Pi, with proof of what was lost on the way."""

import os

from .common.errors import EdgeError

__all__ = ["EdgeError", "__version__"]

# onnxruntime 1.29 and later send telemetry from Linux, and keep a device id and a database in the home folder, unless
# this is set before they are imported (https://github.com/microsoft/onnxruntime/pull/27379).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: importing importlib.metadata takes half as long as ``--help``."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fmnist-edge")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
