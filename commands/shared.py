"""What every command shares: common options, and where its lines go."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the four files of Fashion-MNIST; fetched if left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int, typer.Option("--threads", help="Processor threads for one picture.")]


def fail(line: str) -> None:
    """Print one line of what is wrong to standard error."""
    print(f"fmnist-edge: {line}", file=sys.stderr)


def say(line: str) -> None:
    """Print one line of progress to standard error."""
    print(line, file=sys.stderr)


def print_json(content: Any) -> None:
    """Print a result as one line of JSON."""
    print(json.dumps(content, ensure_ascii=False))
