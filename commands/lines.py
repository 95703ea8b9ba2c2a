"""Where a command's lines go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.box import FOLDER


def fail(line: str) -> None:
    """Print one line of what is wrong to standard error."""
    print(f"fmnist-edge: {line}", file=sys.stderr)


def say(line: str) -> None:
    """Print one line of progress to standard error."""
    print(line, file=sys.stderr)


def used(model: Path | None) -> str:
    """Say which model is used, where None stands for those in the box.

    >>> used(None), used(Path("exports/fmnist-seed-int8.onnx"))
    ('the models in the box', 'exports/fmnist-seed-int8.onnx')
    """
    return "the models in the box" if model is None else str(model)


def origin(models: Sequence[Path]) -> str:
    """Say which models are used where none was named.

    >>> origin([Path("exports/fmnist-seed-int8.onnx")])
    'exports/fmnist-seed-int8.onnx, the newest export'
    """
    names = " and ".join(path.name if path.parent == FOLDER else str(path) for path in models)
    return f"{names}, {'in the box' if models[0].parent == FOLDER else 'the newest export'}"


def print_json(content: Any) -> None:
    """Print a result as one line of JSON."""
    print(json.dumps(content, ensure_ascii=False))


def drop_output() -> None:
    """Send what is still to be printed to nowhere: the interpreter shall not try again when it ends."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
