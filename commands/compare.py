"""The command `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .shared import Json, fail, print_json, say


def compare(
    old: Annotated[Path, typer.Argument(help="An earlier report.json, or its folder.")],
    new: Annotated[Path, typer.Argument(help="A later one, of the same images.")],
    max_drop: Annotated[float, typer.Option(help="Points of accuracy that a model may have lost.")] = 0.5,
    max_class_drop: Annotated[
        float | None, typer.Option(help="Points of recall that any class may have lost; no limit if left out.")
    ] = None,
    max_slowdown: Annotated[float, typer.Option(help="Percent that a median latency may have risen.")] = 10.0,
    max_growth: Annotated[float, typer.Option(help="Percent that a file may have grown.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Compare two reports: what got better, what got worse; exit with 1 on a regression beyond the limits.

    Example: fmnist-edge compare old/report.json report/report.json --max-slowdown 20
    """
    from ..benchmarks.regression import Limits, compare_reports, read_report, regression_table
    from ..benchmarks.tables import as_markdown

    limits = Limits(max_drop, max_class_drop, max_slowdown, max_growth)
    found = compare_reports(read_report(old), read_report(new), limits)
    if as_json:
        print_json(found)
    else:
        print(as_markdown(regression_table(found)))
    for title, names in (("only in the old report", found["removed"]), ("only in the new report", found["added"])):
        if names:
            say(f"{title}: {', '.join(names)}")
    for note in found["notes"]:
        say(note)
    for failure in found["failures"]:
        fail(failure)
    if found["failures"]:
        raise typer.Exit(1)
