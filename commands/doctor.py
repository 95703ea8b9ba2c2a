"""The command `doctor`."""

from __future__ import annotations

import typer

from .shared import Json, Model, print_json


def doctor(
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Say whether this machine is ready for inference, and what mends it if not.

    Exits with 1 if something prevents inference. Example: fmnist-edge doctor
    """
    from ..runtime.doctor import Machine, examine, verdict

    findings = []
    for finding in examine(Machine(), model):
        findings.append(finding)
        if not as_json:
            print(finding.as_text(), flush=True)  # the next check may take seconds on a board
    ready, line = verdict(findings)
    if as_json:
        print_json({"ready": ready, "findings": [finding.as_json() for finding in findings]})
    else:
        print(f"\n{line}")
    if not ready:
        raise typer.Exit(1)
