"""fmnist-edge: Fashion-MNIST from training to a Raspberry Pi, with proof of what was lost on the way."""

from importlib.metadata import PackageNotFoundError, version

from .common.errors import EdgeError

try:
    __version__ = version("fmnist-edge")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["EdgeError", "__version__"]
