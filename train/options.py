"""What can be chosen about a training, from the command line or a TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.errors import EdgeError
from .architectures import architecture_names


@dataclass(frozen=True)
class TrainOptions:
    """Everything that decides the result of a training.

    Attributes:
        arch: name of an architecture in the registry.
        epochs: passes over the training images, at least 1.
        batch_size: images a step, at least 1.
        learning_rate: Adam's step size, above 0.
        dropout: share of units dropped, in [0, 1).
        seed: of initial weights, order of images and dropout; at least 0.
        limit: train on the first so many images only, for a quick try; None for all.
    """

    arch: str = "seed"
    epochs: int = 15
    batch_size: int = 128
    learning_rate: float = 1e-3
    dropout: float = 0.2
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        names = architecture_names()
        _require(self.arch in names, "arch", f"one of {', '.join(names)}", self.arch)
        _require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        _require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
        _require(0 < self.learning_rate < float("inf"), "learning_rate", "above 0", self.learning_rate)
        _require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        _require(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)
        _require(self.limit is None or self.limit >= 1, "limit", "at least 1", self.limit)


def _require(condition: bool, name: str, expected: str, got: object) -> None:
    if not condition:
        raise EdgeError(f"unusable training option {name}", expected=expected, got=repr(got), hint="see train --help")


def make_options(chosen: dict[str, Any], config: Path | None = None) -> TrainOptions:
    """Merge the defaults, a TOML file and explicit choices; the later wins.

    Args:
        chosen: option name to value; None means not chosen.
        config: a TOML file with the same names at its top level.

    Raises:
        EdgeError: the file cannot be read, has an unknown key or a value of a wrong type or range.
    """
    values = _read_config(config) if config is not None else {}
    values.update({name: value for name, value in chosen.items() if value is not None})
    return TrainOptions(**values)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a TOML file", got=error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EdgeError(f"cannot read {path}", expected="a TOML file", got=str(error)) from error
    return {key: _checked(path, key, value) for key, value in values.items()}


def _checked(path: Path, key: str, value: object) -> object:
    """Check one key of the file against the fields of `TrainOptions`, and return its value."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(TrainOptions)}
    if key not in fields:
        nearest = difflib.get_close_matches(key, fields, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"use one of {', '.join(fields)}"
        raise EdgeError(f"{path} has an unknown key {key!r}", hint=hint)
    kind = fields[key].split(" ")[0]
    accepted = {"str": (str,), "int": (int,), "float": (int, float)}[kind]
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise EdgeError(f"{path} has an unusable {key}", expected=kind, got=repr(value))
    return value
