"""Which model to use: what a name stands for, and what is used when the user names none."""

from __future__ import annotations

from pathlib import Path

from ..common.box import BOX, NAMES, int8_model

EXPORTS = Path("exports")


def choose_model(model: Path | None, folder: Path = EXPORTS) -> Path | None:
    """Return the file to use, or None for the models in the box, of which each picture has its own.

    Args:
        model: a file, a network in the box by its name, or ``box``; None is the newest export in `folder`, because who
            has exported a model means it, and the box where there is none.
        folder: where exports lie.
    """
    if model is None:
        return newest_export(folder)
    return None if str(model) == BOX else named_model(model)


def named_model(model: Path) -> Path:
    """Return the int8 ONNX file of a network in the box for its name; any other path is left as it is.

    >>> named_model(Path("compact-photo")).name, str(named_model(Path("mine.onnx")))
    ('fmnist-compact-photo-int8.onnx', 'mine.onnx')
    """
    return int8_model(str(model)) if str(model) in NAMES else model


def newest_export(folder: Path = EXPORTS) -> Path | None:
    """Return the newest int8 ONNX file in `folder`, else the newest ONNX file, else None."""
    for pattern in ("fmnist-*-int8.onnx", "fmnist-*.onnx"):
        found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)
        if found:
            return found[-1]
    return None
