"""What a search wants: accuracy, and of several costs as little as possible."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...common.errors import EdgeError

ACCURACY = "accuracy"
PARAMETERS = "parameters"
INSTRUCTIONS = "instructions"
_TITLES = {
    ACCURACY: "validation accuracy",
    "size": "int8 file in kB",
    "macs": "million multiply-accumulates an image",
    PARAMETERS: "thousand parameters",
    INSTRUCTIONS: "million instructions an image",
}


@dataclass(frozen=True)
class Objective:
    """One figure that a search makes as large, or as small, as it can.

    Attributes:
        name: ``accuracy``, ``size``, ``macs``, ``parameters`` or ``instructions-BOARD``.
    """

    name: str

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better, as Optuna says it."""
        return "maximize" if self.name == ACCURACY else "minimize"

    @property
    def needs_export(self) -> bool:
        """Whether it is a property of the int8 file."""
        return self.name not in {ACCURACY, PARAMETERS}

    @property
    def title(self) -> str:
        """What an axis says.

        >>> Objective("instructions-pi5").title
        'million instructions an image, pi5'
        """
        kind, _, board = self.name.partition("-")
        return f"{_TITLES[kind]}, {board}" if board else _TITLES[kind]

    def scaled(self, value: float) -> float:
        """Return `value` in the unit of `title`."""
        kind = self.name.partition("-")[0]
        return value / {ACCURACY: 1.0, "size": 1e3, PARAMETERS: 1e3}.get(kind, 1e6)

    def text(self, value: float) -> str:
        """Write a value for people.

        >>> [Objective(name).text(value) for name, value in (("accuracy", 0.9312), ("size", 95400), ("macs", 3.93e6))]
        ['93.12%', '95.4 kB', '3.93 M']
        """
        if self.name == ACCURACY:
            return f"{value:.2%}"
        if self.name == PARAMETERS:
            return f"{value:,.0f}"
        return f"{self.scaled(value):.1f} kB" if self.name == "size" else f"{self.scaled(value):.2f} M"


def parse_objectives(text: str, boards: Sequence[str] = ()) -> tuple[Objective, ...]:
    """Read the names of objectives, separated by commas; ``instructions`` is one for every board.

    >>> [objective.name for objective in parse_objectives("accuracy, instructions", ["pi4", "pi5"])]
    ['accuracy', 'instructions-pi4', 'instructions-pi5']

    Raises:
        EdgeError: an unknown name (the nearest is named), one that stands there twice, no accuracy, or instructions
            without boards or boards without instructions.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in _TITLES:
            nearest = difflib.get_close_matches(name, _TITLES, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else ""
            raise EdgeError(f"unknown objective {name!r}", expected=", ".join(_TITLES), hint=hint)
    if len(set(names)) != len(names):
        raise EdgeError("an objective stands there twice", got=text)
    if ACCURACY not in names:
        raise EdgeError("a search without accuracy finds the empty network", expected="accuracy,...", got=repr(text))
    if (INSTRUCTIONS in names) != bool(boards):
        hint = "--objectives accuracy,instructions --board pi5, or macs where no board can be emulated"
        raise EdgeError("instructions are counted on boards", expected="both or neither", got=text, hint=hint)
    expanded = [[f"{name}-{board}" for board in boards] if name == INSTRUCTIONS else [name] for name in names]
    return tuple(Objective(name) for entry in expanded for name in entry)
