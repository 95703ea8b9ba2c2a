"""What a search leaves behind: a table, ``trials.csv``, a TOML file for every trial of the front, pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...benchmarks.tables import Table
from ...common.files import make_folder, write_text
from .objectives import PARAMETERS, Objective
from .trials import ENDED, RETRIED, TrialRecord, front

CSV = "trials.csv"
FRONT = "front"


def write_outcome(records: Sequence[TrialRecord], objectives: Sequence[Objective], folder: Path) -> list[Path]:
    """Write everything into `folder`, over what an earlier call wrote, and return the files that show the front."""
    from .pictures import save_pictures  # matplotlib

    best = front(records, objectives)
    write_text(folder / CSV, as_csv(records, objectives))
    tomls = [write_text(toml_path(folder, record), as_toml(record, objectives)) for record in best]
    for old in make_folder(folder / FRONT).glob("trial-*.toml"):
        if old not in tomls:
            old.unlink(missing_ok=True)
    return [*tomls, *save_pictures(records, objectives, folder)]


def toml_path(folder: Path, record: TrialRecord) -> Path:
    """Return where the options of a trial of the front are written."""
    return folder / FRONT / f"trial-{record.number:04d}.toml"


def front_table(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> Table:
    """Return the front as text: values, parameters, and the shape of the architecture, or the recipe for lack of it."""
    best = front(records, objectives)
    names = list(dict.fromkeys(name for record in best for name in record.params))
    shape = [name for name in names if name.startswith("arch")] or names
    columns = _columns(objectives)
    header = ["trial", *(entry.name for entry in columns), *(name.rpartition(".")[2] for name in shape)]
    rows = [
        [
            str(record.number),
            *(entry.text(record.value(entry.name)) for entry in columns),
            *(_short(record.params.get(name)) for name in shape),
        ]
        for record in best
    ]
    return Table("Front", header, rows)


def _columns(objectives: Sequence[Objective]) -> list[Objective]:
    """Return the objectives, and parameters where they are none."""
    extra = [] if any(entry.name == PARAMETERS for entry in objectives) else [Objective(PARAMETERS)]
    return [*objectives, *extra]


def _short(value: object) -> str:
    """Write a value for a narrow column.

    >>> _short(0.0123456), _short(True), _short(None), _short("cross")
    ('0.0123', 'yes', '', 'cross')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def counts_line(records: Sequence[TrialRecord]) -> str:
    """Say how many trials there are, by how they ended."""
    states = [record.state for record in records]
    shown = {state: states.count(state) for state in dict.fromkeys((*ENDED, RETRIED, *states)) if state in states}
    return ", ".join(f"{count} {state}" for state, count in shown.items()) or "no trials"


def as_csv(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> str:
    """Write all trials as comma-separated values, one a line."""
    params = list(dict.fromkeys(name for record in records for name in record.params))
    best = {record.number for record in front(records, objectives)}
    figures = [entry.name for entry in objectives if entry.name != PARAMETERS]
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["trial", "state", "front", *figures, PARAMETERS, "seconds", *params, "folder", "error"])
    for record in records:
        values = [record.values.get(name, "") for name in figures]
        seconds = "" if record.seconds is None else round(record.seconds, 1)
        chosen = [record.params.get(name, "") for name in params]
        on_front = "yes" if record.number in best else ""
        known = "" if record.parameters is None else record.parameters
        ends = [record.folder, record.error]
        rows.writerow([record.number, record.state, on_front, *values, known, seconds, *chosen, *ends])
    return out.getvalue()


def as_toml(record: TrialRecord, objectives: Sequence[Objective]) -> str:
    """Write the options of a trial as a file for ``fmnist-edge train --config``."""
    figures = ", ".join(f"{entry.name} {entry.text(record.values[entry.name])}" for entry in objectives)
    plain = {name: value for name, value in record.options.items() if value is not None}
    tables = {name: value for name, value in plain.items() if isinstance(value, dict)}
    lines = [f"# Trial {record.number}: {figures} (validation split)."]
    lines += [f"{name} = {_toml(value)}" for name, value in plain.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    r"""Write a plain value, or a list of them, in TOML.

    >>> _toml(True), _toml(1e-05), _toml(["a\"b"])
    ('true', '1e-05', '["a\\"b"]')
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(entry) for entry in value)}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def as_json(records: Sequence[TrialRecord], objectives: Sequence[Objective], folder: Path) -> dict[str, Any]:
    """Return the outcome as plain JSON types."""
    states = [record.state for record in records]
    return {
        "objectives": [entry.name for entry in objectives],
        "trials": {state: states.count(state) for state in dict.fromkeys(states)},
        "front": [
            {
                "trial": record.number,
                **record.values,
                PARAMETERS: record.parameters,
                "params": record.params,
                "config": str(toml_path(folder, record)),
            }
            for record in front(records, objectives)
        ],
    }
