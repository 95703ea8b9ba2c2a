"""Is this machine ready for inference? Standard library only: it must run where everything else crashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .camera import check_camera
from .condition import check_disk, check_governor, check_memory, check_temperature, check_throttling
from .finding import Finding, Status, fault, verdict
from .hardware import check_board, check_processor
from .interpreter import Interpreter, ask_interpreter, check_bits, check_python, check_wheels
from .machine import Machine
from .model import check_model
from .packages import check_packages

__all__ = ["Finding", "Machine", "Status", "examine", "verdict"]


def examine(machine: Machine, model: Path | None = None) -> Iterator[Finding]:
    """Yield the findings one after another, from the board up to a model that answers.

    Args:
        machine: what is examined.
        model: the file to try; the one that `predict` would use if None.
    """
    yield check_board(machine)
    yield check_processor(machine)
    python = ask_interpreter(machine)
    if isinstance(python, Interpreter):
        yield from (check_bits(python), check_python(python), check_wheels(python))
    else:
        yield fault("python", f"{machine.python[-1]} ends in {python.why}", "sudo apt install python3-venv")
    for check in (check_memory, check_disk, check_temperature, check_throttling, check_governor):
        yield check(machine)
    yield from check_packages(machine)
    yield check_model(machine, model)
    yield check_camera(machine)
