"""The command `data`."""

from __future__ import annotations

from ..common.progress import ConsoleProgress
from .shared import DataDir, Json, print_json


def data(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Find or fetch the dataset, verify it, say where it is.

    Example: fmnist-edge data
    """
    from ..dataset import load_split, locate

    progress = ConsoleProgress()
    folder = locate(data_dir, progress=progress)
    counts = {name: len(load_split(name, folder)) for name in ("train", "validation", "test")}
    if as_json:
        print_json({"folder": str(folder), **counts})
        return
    print(f"Fashion-MNIST, verified, in {folder}")
    print("  " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
