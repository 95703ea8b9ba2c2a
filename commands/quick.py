"""A plain `predict` without Typer, whose import takes as long as everything else of it.

Everything that is not plain, `--help` and mistakes above all, is left to Typer: what is accepted here, it would read
alike, and a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .lean import require_numpy

KINDS = ("auto", "dataset", "photo")
RUNTIMES = ("auto", "onnxruntime", "litert")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(text)
    return int(text)


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return read


_OPTIONS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "--model": ("model", Path),
    "--top": ("top", _count),
    "--as": ("kind", _one_of(KINDS)),
    "--show": ("show", Path),
    "--backend": ("backend", _one_of(RUNTIMES)),
    "--threads": ("threads", int),
    "--require-signature": ("require_signature", Path),
}
_FLAGS = {"--json": "as_json", "--csv": "as_csv", "--allow-unverified": "allow_unverified"}


def plain_predict(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return what a plain `predict` is called with; None where Typer has to read the line.

    >>> plain_predict(["predict", "a.png", "--top", "3"])
    {'images': ['a.png'], 'top': 3}
    >>> plain_predict(["predict", "--help"]) is plain_predict(["train"]) is None
    True
    """
    if arguments[:1] != ["predict"]:
        return None
    images: list[str] = []
    found: dict[str, Any] = {"images": images}
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in _FLAGS:
            found[_FLAGS[argument]] = True
        elif argument in _OPTIONS:
            name, read = _OPTIONS[argument]
            try:
                found[name] = read(_value(next(rest, "")))
            except ValueError:
                return None
        elif argument.startswith("-") and argument != "-":
            return None
        else:
            images.append(argument)
    return found if images else None


def _value(text: str) -> str:
    if not text or text.startswith("-"):
        raise ValueError(text)
    return text


def run_plain_predict(arguments: Sequence[str]) -> bool:
    """Run a plain `predict` and end the process as Typer would; return at once where it is none.

    Raises:
        EdgeError: as the command.
    """
    found = plain_predict(arguments)
    if found is None:
        return False
    require_numpy()
    from .predicting import predict_pictures

    try:
        code = predict_pictures(**found)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)
