"""The command `inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import AllowUnverified, Json, RequireSignature, fail, print_json

if TYPE_CHECKING:
    from ..export.inspection import Inspection


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Files ending in .onnx or .tflite, exported here or elsewhere.")],
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    as_json: Json = False,
) -> None:
    """Show every operator as the runtime executes it here: types, MACs, what stays float.

    Exits with 1 if a file is not what it claims to be. Example: fmnist-edge inspect exports/fmnist-seed-int8.onnx
    """
    from ..export.inspection import inspect as run
    from ..runtime.locate import named_model
    from ..runtime.trust import Trust

    trust = Trust.chosen(verify=not allow_unverified, signed_by=require_signature)
    inspections = [run(named_model(path), trust=trust) for path in files]
    for inspection in inspections:
        if as_json:
            print_json(inspection.as_json())
        else:
            _show(inspection)
    faults = [fault for inspection in inspections for fault in inspection.faults]
    for line in faults:
        fail(line)
    if faults:
        raise typer.Exit(1)


def _show(inspection: Inspection) -> None:
    from ..benchmarks.tables import as_markdown
    from ..export.inspection_tables import description, errors_table, operators_table, summary

    print(summary(inspection) + "\n")
    print("\n".join(f"- {line}" for line in description(inspection)) + "\n")
    for table in (operators_table(inspection), errors_table(inspection)):
        if table is not None:
            print(f"{table.title}\n\n{as_markdown(table)}\n")
