"""The command `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import Json, print_json

if TYPE_CHECKING:
    from ..runtime.doctor import Finding


def doctor(
    model: Annotated[Path | None, typer.Option(help="An .onnx or .tflite file (the newest in exports/).")] = None,
    as_json: Json = False,
) -> None:
    """Say whether this machine is ready for inference, and what mends it if not.

    Exits with 1 if something prevents inference. Example: fmnist-edge doctor
    """
    from ..runtime.doctor import Machine, Status, examine

    findings = []
    for finding in examine(Machine(), model):
        findings.append(finding)
        if not as_json:
            _show(finding)
    ready = all(finding.status is not Status.FAULT for finding in findings)
    if as_json:
        print_json({"ready": ready, "findings": [finding.as_json() for finding in findings]})
    else:
        print("\nready" if ready else "\nnot ready: mend the faults from the top")
    if not ready:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    print(f"{finding.status.value:<8} {finding.name:<15} {finding.found}")
    if finding.mend:
        print(f"{'':<24} next: {finding.mend}")
    sys.stdout.flush()  # the next check may take seconds on a board
